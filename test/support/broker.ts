import { type Logger, pino } from 'pino'
import { onTestFinished } from 'vitest'
import { administratorAccess } from '#src/auth/access.js'
import type { Authenticator } from '#src/auth/authenticate.js'
import { type Broker, type BrokerOptions, startBroker } from '#src/broker/broker.js'
import type { DeliveryLimits } from '#src/broker/outlet-parts.js'
import { createIngest, type IngestOptions } from '#src/ingest/ingest.js'
import { createGate } from '#src/listen/gate.js'
import { listenTcp } from '#src/listen/tcp.js'
import { createTally, type Tally } from '#src/metrics/tally.js'
import type { Sessions } from '#src/sessions/sessions.js'
import { createDeviceDirectory } from '#src/store/device-directory.js'
import type { Store } from '#src/store/store.js'
import { openTestSessions } from './sessions.js'

/** Bounds as the server has them by default. */
export const testDelivery: DeliveryLimits = {
  maxInflight: 20,
  maxQueued: 1000,
  maxBufferedBytes: 8_388_608,
  stalledAfterMs: 20_000,
}

/** A broker in this process, to which everyone may publish everything. */
export interface TestBroker {
  readonly port: number
  /** For listeners beside the one at `port`. */
  readonly broker: Broker
  readonly tally: Tally
}

/** Joins broker, ingest and `store` as the server does, until the running test is over. */
export async function startTestBroker(
  store: Store,
  options: Partial<Omit<IngestOptions, 'store' | 'directory'>> = {},
  open: (tally: Tally, log: Logger) => Promise<Sessions> = openTestSessions,
): Promise<TestBroker> {
  const log = pino({ level: 'silent' })
  const tally = createTally()
  const ingest = createIngest({
    store,
    spool: undefined,
    deadLetters: { add: async () => true, addUnreadable: async () => true },
    directory: createDeviceDirectory(store, 1000),
    tally,
    log,
    zoneOffsetMinutes: 480,
    unknownDevices: 'register',
    acknowledges: 'stored',
    flushAfterMs: 5,
    maxBatch: 1000,
    keepsHistory: true,
    ...options,
  })
  onTestFinished(ingest.stop)
  const sessions = await open(tally, log)
  return { ...(await serve({ ingest, sessions, delivery: testDelivery, tally, log })), tally }
}

/** Starts a broker without ingest, on sessions of the test's, until the running test is over. */
export async function startDeliveringBroker(
  sessions: Sessions,
  tally: Tally,
  delivery: Partial<DeliveryLimits>,
): Promise<TestBroker> {
  const ingest = { handle: () => false, idle: async () => undefined }
  const log = pino({ level: 'silent' })
  return {
    ...(await serve({ ingest, sessions, delivery: { ...testDelivery, ...delivery }, tally, log })),
    tally,
  }
}

async function serve(
  parts: Pick<BrokerOptions, 'ingest' | 'sessions' | 'delivery' | 'tally' | 'log'>,
): Promise<Pick<TestBroker, 'port' | 'broker'>> {
  const { tally, log } = parts
  const broker = await startBroker({
    ...parts,
    authenticator: everyone,
    presence: { begin: () => () => undefined },
    maxPacketBytes: 1_048_576,
    maxKeepAliveSeconds: 65_535,
  })
  const listener = await listenTcp({ host: '127.0.0.1', port: 0 }, createGate(10_000, tally, log), broker)
  onTestFinished(async () => {
    listener.close()
    await broker.stop(1000)
  })
  return { port: listener.port, broker }
}

/** Lets everyone do everything, in any session. */
const everyone: Authenticator = {
  authenticate: async ({ user, clientId }) => ({
    user,
    clientId,
    owner: 'everyone',
    credential: { kind: 'none' },
    access: administratorAccess,
  }),
  judge: (identity) => identity,
}

/** `store`, whose every write takes as long as `before` does first. */
export function delayed(
  store: Store,
  before: (batch: Parameters<Store['write']>[0]) => Promise<void>,
): Store {
  return {
    ...store,
    async write(batch) {
      await before(batch)
      await store.write(batch)
    },
  }
}
