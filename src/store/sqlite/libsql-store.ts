import { sql } from 'drizzle-orm'
import { formatDateTime } from '../date-time.js'
import { pruneStep } from '../prune-walk.js'
import type { Store } from '../store.js'
import type { StoreOptions } from '../store-options.js'
import { addDevice, findDevice, removeDevice, reportDevice, reportDevices, setSecret } from './devices.js'
import { historyWalk, readHistory } from './history.js'
import { type OpenDatabase, openDatabase } from './sqlite-database.js'
import { sqliteError, sqliteOpenError } from './sqlite-error.js'
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
  const run = inTurn(path, database)
  const now = (): string => formatDateTime(Date.now(), zoneOffsetMinutes)
  return {
    lanes: 1,
    write: (batch) => run(() => db.transaction((tx) => writeBatch(tx, batch, zoneOffsetMinutes, Date.now()))),
    findDevice: (name) => run(() => findDevice(db, name)),
    addDevice: (device) => run(() => addDevice(db, device, now())),
    setSecret: (id, secret) => run(() => setSecret(db, id, secret, now())),
    removeDevice: (id) => run(() => db.transaction((tx) => removeDevice(tx, id))),
    reportDevice: (id) => run(() => reportDevice(db, id)),
    reportDevices: () => run(() => reportDevices(db)),
    readHistory: (range) => run(() => readHistory(db, range)),
    pruneHistory: (beforeMs, limit, cursor) =>
      run(() => db.transaction((tx) => pruneStep(historyWalk(tx), beforeMs, limit, cursor))),
    ping: () => run(async () => void (await db.run(sql`SELECT 1`))),
    close: () => run(async () => database.close()),
  }
}

/** Does one thing after the other: there is one connection, and a transaction holds it. */
function inTurn(path: string, { reconnect }: OpenDatabase): <T>(work: () => Promise<T>) => Promise<T> {
  async function attempt<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      const failure = sqliteError(error, path)
      if (failure.code === 'STORE_UNAVAILABLE') await reconnect()
      throw failure
    }
  }
  let last: Promise<unknown> = Promise.resolve()
  return (work) => {
    const result = last.then(() => attempt(work))
    last = result.catch(() => {})
    return result
  }
}
