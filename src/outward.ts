import { hostname } from 'node:os'
import type { Broker } from './broker/broker.js'
import { startServerStatus } from './broker/server-status.js'
import { startSystemTopics } from './broker/system-topics.js'
import { version } from './config/version.js'
import type { Context } from './context.js'
import type { Sessions } from './sessions/sessions.js'
import type { ApiParts } from './web/api/parts.js'

/** What is there once the server is up. */
export interface Serving {
  readonly api: ApiParts
  readonly broker: Broker
  readonly sessions: Sessions
}

/** Serves HTTP, where it is not off, and returns the address. */
export async function serveWeb(
  { settings, life, readiness, tally }: Context,
  serving: () => Serving | undefined,
): Promise<string | undefined> {
  if (settings.HTTP_PORT === 'off') return undefined
  const { startWeb } = await import('./web/web.js') // loads only where it is used
  const web = await startWeb(settings.BIND_ADDRESS, settings.HTTP_PORT, {
    readiness,
    api: () => serving()?.api,
    metrics: async () => {
      const { createExposition } = await import('./metrics/exposition.js')
      return createExposition({
        ...{ tally, version },
        broker: () => serving()?.broker.figures(),
        sessions: async () => {
          const sessions = serving()?.sessions
          return (await sessions?.isReady()) === true ? await sessions?.figures() : undefined
        },
        readiness: async () => ({ ...(await readiness.report()) }),
      })
    },
  })
  life.started('web', web.stop)
  return web.address
}

/** Publishes what the server says of itself over MQTT. */
export async function startServerTopics(
  { settings, tally, log, life }: Context,
  { broker, sessions }: Serving,
): Promise<void> {
  const intervalSeconds = settings.SYS_INTERVAL_S
  const topics = startSystemTopics({ broker, sessions, tally, version, intervalSeconds })
  life.started('system topics', topics.stop)
  const instance = settings.INSTANCE_NAME ?? hostname().replace(/[^\w.-]/g, '-')
  const status = await startServerStatus({ broker, shared: sessions.shared, version, instance, log })
  life.started('server status', status.stop)
}
