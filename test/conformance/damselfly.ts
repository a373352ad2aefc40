import { pino } from 'pino'
import { administratorAccess } from '#src/auth/access.js'
import { startBroker } from '#src/broker/broker.js'
import { createGate } from '#src/listen/gate.js'
import { listenTcp } from '#src/listen/tcp.js'
import { listenWebsocket } from '#src/listen/websocket.js'
import { createTally } from '#src/metrics/tally.js'
import { testDelivery } from '../support/broker.js'
import { openTestSessions } from '../support/sessions.js'
import { type AtEnd, withTest } from '../support/temporary-folder.js'

/** A broker in this process, to which everyone may publish everything; readings go nowhere. */
export async function startDamselfly(
  atEnd: AtEnd = withTest,
): Promise<{ readonly port: number; readonly websocketPort: number }> {
  const log = pino({ level: 'silent' })
  const tally = createTally()
  const broker = await startBroker({
    authenticator: {
      authenticate: async ({ user, clientId }) => ({
        ...{ user, clientId, owner: 'everyone' },
        credential: { kind: 'none' },
        access: administratorAccess,
      }),
      judge: (identity) => identity,
    },
    ingest: { handle: () => false, idle: async () => undefined },
    sessions: await openTestSessions(tally, log, {}, atEnd),
    presence: { begin: () => () => undefined },
    delivery: testDelivery,
    tally,
    log,
    maxPacketBytes: 1_048_576,
    maxKeepAliveSeconds: 65_535,
  })
  const gate = createGate(10_000, tally, log)
  const address = { host: '127.0.0.1', port: 0 }
  const tcp = await listenTcp(address, gate, broker)
  const websocket = await listenWebsocket(address, { maxPacketBytes: 1_048_576, origins: [] }, gate, broker)
  atEnd(async () => {
    tcp.close()
    websocket.close()
    await broker.stop(1000)
  })
  return { port: tcp.port, websocketPort: websocket.port }
}
