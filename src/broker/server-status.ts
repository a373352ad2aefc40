import type { Logger } from '../log/logger.js'
import type { SharedSessions } from '../sessions/sessions.js'
import type { Broker } from './broker.js'

/** What the status is told of. */
export interface ServerStatusParts {
  readonly broker: Pick<Broker, 'publish'>
  /** Where several instances have the sessions. */
  readonly shared: Pick<SharedSessions, 'setLastWord' | 'watchInstances' | 'countInstances'> | undefined
  readonly version: string
  /** Distinct among the instances, and the same after a restart. */
  readonly instance: string
  readonly log: Logger
}

const TOPIC = 'system/server/status'

/**
 * Publishes, retained, that the server is there, and when it stops, that it is not. Of several instances each has a
 * topic of its own below that one, which another instance corrects should it die.
 */
export async function startServerStatus(parts: ServerStatusParts): Promise<{ stop(): Promise<void> }> {
  const { broker, shared, version, instance, log } = parts
  const own = { version, instance, started_at: new Date().toISOString() }
  const ownTopic = shared === undefined ? TOPIC : `${TOPIC}/${instance}`
  const offline = (stoppedAt: string | null): string =>
    JSON.stringify({ status: 'offline', ...own, stopped_at: stoppedAt })

  const tell = (topic: string, payload: string): Promise<void> =>
    broker.publish(topic, payload, { qos: 1, retain: true }).catch((error: unknown) => {
      log.warn({ topic, error: String(error) }, 'the status of the server could not be published')
    })
  const tellOfAll = async (leaving = 0): Promise<void> => {
    if (shared === undefined) return
    const instances = Math.max(0, (await shared.countInstances()) - leaving)
    await tell(TOPIC, JSON.stringify({ status: instances > 0 ? 'online' : 'offline', instances, version }))
  }

  shared?.watchInstances(() => void tellOfAll())
  await shared?.setLastWord({ topic: ownTopic, payload: Buffer.from(offline(null)), qos: 1, retain: true })
  await tell(ownTopic, JSON.stringify({ status: 'online', ...own }))
  await tellOfAll()
  return {
    async stop() {
      await shared?.setLastWord(undefined)
      await tell(ownTopic, offline(new Date().toISOString()))
      await tellOfAll(1)
    },
  }
}
