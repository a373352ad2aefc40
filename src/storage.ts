import { join } from 'node:path'
import type { Context } from './context.js'
import type { DeadLetterFile, DeadLetters } from './ingest/dead-letters.js'
import { createIngest, type Ingest } from './ingest/ingest.js'
import { openSpool, type Spool } from './ingest/spool.js'
import { type Presence, startPresence } from './presence/presence.js'
import { openPresenceMemory } from './presence/presence-memory.js'
import type { DeviceDirectory } from './store/device-directory.js'
import { startHistoryKeeper } from './store/history-keeper.js'
import { openStore } from './store/open-store.js'
import type { Store } from './store/store.js'
import { waitForStore } from './store/wait-for-store.js'

const MEGABYTE = 1_000_000

/** Opens the database, waiting for a server that is away, and begins to prune the history. */
export async function openDatabase(
  { settings, database, log, life, readiness, tally, threads }: Context,
  deadLetters: DeadLetterFile,
): Promise<Store> {
  const server = {
    log,
    isOneOfSeveral: settings.REDIS_URL !== undefined,
    keepRefused: deadLetters.addState,
    thread: threads.store,
  }
  const open = (): Promise<Store> => openStore(database, { zoneOffsetMinutes: settings.DB_TIME_ZONE }, server)
  const store = database.kind === 'sqlite' ? await open() : await waitForStore(open, log, life.signal)
  life.started('store', store.close)
  readiness.set('store', async () => {
    await store.ping()
    return tally.storeFailsSinceMs === undefined // one whose disk is full answers
  })
  const historyKeeper = startHistoryKeeper(store, settings.HISTORY_DAYS, log)
  life.started('history keeper', historyKeeper.stop)
  return store
}

/** Opens the spool; `undefined` where there is to be none. */
export async function openSpoolFile({ settings, life, tally, threads }: Context): Promise<Spool | undefined> {
  const maxBytes = settings.SPOOL_MAX_MB * MEGABYTE
  if (maxBytes === 0) return undefined
  const spool = await openSpool(join(settings.DATA_DIR, 'spool.db'), maxBytes, tally, threads.state.open)
  life.started('spool', spool.close)
  return spool
}

/** What ingest is joined with. */
export interface Stores {
  readonly store: Store
  readonly spool: Spool | undefined
  readonly directory: DeviceDirectory
  readonly deadLetters: DeadLetters
}

/** Starts what takes messages to the store. */
export function startIngest(context: Context, stores: Stores): Ingest {
  const { settings, log, tally, life, alerts } = context
  const ingest = createIngest({
    ...stores,
    tally,
    events: alerts.events,
    log,
    zoneOffsetMinutes: settings.DB_TIME_ZONE,
    unknownDevices: unknownDevices(context),
    acknowledges: settings.INGEST_ACK,
    flushAfterMs: settings.INGEST_FLUSH_MS,
    maxBatch: settings.INGEST_BATCH,
    keepsHistory: settings.HISTORY,
  })
  life.started('ingest', ingest.stop)
  return ingest
}

/** Starts what keeps `is_online` true. */
export async function openPresence(
  { settings, log, tally, life, threads }: Context,
  store: Store,
  ingest: Ingest,
): Promise<Pick<Presence, 'begin'>> {
  const memory = await openPresenceMemory(settings.DATA_DIR, log, threads.state.open)
  life.started('memory of presence', memory.close)
  const setPresence: Store['setPresence'] = async (changes) => {
    await store.setPresence(await ingest.notePresence(changes))
  }
  const presence = startPresence({
    store: { ...store, setPresence },
    messagesSettled: ingest.settled,
    memory,
    offlineAfterMs: settings.OFFLINE_AFTER_S * 1000,
    isShared: settings.REDIS_URL !== undefined,
    tally,
    log,
  })
  life.started('presence', presence.stop)
  return presence
}

/** What becomes of messages from devices that the database does not know. */
export function unknownDevices({ settings, database }: Context): 'register' | 'reject' {
  return settings.UNKNOWN_DEVICES ?? (database.kind === 'sqlite' ? 'register' : 'reject')
}
