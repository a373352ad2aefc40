import { setImmediate as nextTurn } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import { formatDateTime } from '../date-time.js'
import { pruneStep } from '../prune-walk.js'
import type { Store } from '../store.js'
import type { StoreOptions } from '../store-options.js'
import {
  addDevice,
  findDevice,
  findDevices,
  listDevices,
  removeDevice,
  reportDevice,
  reportDevices,
  setSecret,
} from './devices.js'
import { historyOf, historyWalk, readHistory } from './history.js'
import { findSilent, newestSeen, setPresence } from './presence.js'
import { type OpenDatabase, openDatabase } from './sqlite-database.js'
import { isBusy, sqliteError, sqliteOpenError } from './sqlite-error.js'
import { writeBatch } from './write-batch.js'

/**
 * The store on the file at `path`, on this very thread, which each call blocks; so it is for a worker.
 *
 * @throws StoreError STORE_REJECTED when the file cannot be used, STORE_UNAVAILABLE while it is locked or
 *   its disk full, STORE_SCHEMA when its tables lack columns.
 */
export async function openLibsqlStore(path: string, options: StoreOptions): Promise<Store> {
  const { zoneOffsetMinutes } = options
  const database = await openDatabase(path).catch((error: unknown) => {
    throw sqliteOpenError(error, path)
  })
  const { db } = database
  const { run, close } = inTurn(path, database)
  const now = (): string => formatDateTime(Date.now(), zoneOffsetMinutes)
  return {
    lanes: 1,
    write: (batch) => run(() => db.transaction((tx) => writeBatch(tx, batch, zoneOffsetMinutes, Date.now()))),
    setPresence: (changes) => run(() => setPresence(db, changes, zoneOffsetMinutes, Date.now())),
    findSilent: (beforeMs) => run(() => findSilent(db, beforeMs, zoneOffsetMinutes)),
    newestSeen: () => run(() => newestSeen(db, zoneOffsetMinutes)),
    findDevice: (name) => run(() => findDevice(db, name)),
    findDevices: (names) => run(() => findDevices(db, names)),
    addDevice: (device) => run(() => addDevice(db, device, now())),
    setSecret: (id, secret) => run(() => setSecret(db, id, secret, now())),
    removeDevice: (id) => run(() => db.transaction((tx) => removeDevice(tx, id))),
    reportDevice: (id) => run(() => reportDevice(db, id)),
    reportDevices: () => run(() => reportDevices(db)),
    listDevices: (query) => run(() => listDevices(db, query)),
    historyOf: (range) => run(() => historyOf(db, range)),
    readHistory: (range) => run(() => readHistory(db, range)),
    pruneHistory: (beforeMs, limit, cursor) =>
      run(() => db.transaction((tx) => pruneStep(historyWalk(tx), beforeMs, limit, cursor))),
    ping: () => run(async () => void (await db.run(sql`SELECT 1`))),
    close,
  }
}

/** Calls that are done one after the other. */
interface InTurn {
  run<T>(work: () => Promise<T>): Promise<T>
  /** Closes the file after what was called before, which waits no longer for a lock. */
  close(): Promise<void>
}

/** How long a call waits for another process, such as the command line, to end its transaction. */
const LOCKED_FOR_MS = 5000

/** There is one connection, and a transaction holds it; so there is one call at a time. */
function inTurn(path: string, { reconnect, close }: OpenDatabase): InTurn {
  let isClosing = false

  async function attempt<T>(work: () => Promise<T>): Promise<T> {
    for (const giveUpMs = performance.now() + LOCKED_FOR_MS; ; ) {
      try {
        return await work()
      } catch (error) {
        const failure = sqliteError(error, path)
        if (failure.code === 'STORE_UNAVAILABLE') {
          await reconnect().catch((again: unknown) => {
            throw sqliteError(again, path)
          })
        }
        if (!isBusy(error) || isClosing || performance.now() > giveUpMs) throw failure
        await nextTurn() // lets a call to close in
      }
    }
  }

  let last: Promise<unknown> = Promise.resolve()
  const run = <T>(work: () => Promise<T>): Promise<T> => {
    const result = last.then(() => attempt(work))
    last = result.catch(() => undefined)
    return result
  }
  return {
    run,
    close() {
      isClosing = true
      return run(async () => close())
    },
  }
}
