import type { Store } from '../store.js'
import { StoreError } from '../store-error.js'
import type { StoreOptions } from '../store-options.js'
import { startSqliteThread } from './sqlite-thread.js'
import type { Method, ResultOf } from './thread-protocol.js'

/**
 * Opens or creates the SQLite file at `path`, with its folder. A thread does the work, because SQLite blocks
 * the one that it runs on; should that thread die, the next call starts another.
 *
 * @throws StoreError STORE_REJECTED when the file is no database or not accessible, STORE_UNAVAILABLE while
 *   another process locks it, STORE_SCHEMA when its tables lack columns.
 */
export async function openSqliteStore(path: string, options: StoreOptions): Promise<Store> {
  let thread = startSqliteThread({ path, options })
  let isClosed = false
  await thread.opened

  async function call<M extends Method>(method: M, ...args: Parameters<Store[M]>): Promise<ResultOf<M>> {
    if (isClosed) throw new StoreError('STORE_UNAVAILABLE', `${path} is closed; open it again`)
    if (thread.hasEnded()) thread = startSqliteThread({ path, options })
    const current = thread
    await current.opened
    return current.call(method, args)
  }

  return {
    lanes: 1,
    write: (batch) => call('write', batch),
    setPresence: (changes) => call('setPresence', changes),
    findSilent: (beforeMs) => call('findSilent', beforeMs),
    newestSeen: () => call('newestSeen'),
    findDevice: (name) => call('findDevice', name),
    findDevices: (names) => call('findDevices', names),
    addDevice: (device) => call('addDevice', device),
    setSecret: (id, secret) => call('setSecret', id, secret),
    removeDevice: (id) => call('removeDevice', id),
    reportDevice: (id) => call('reportDevice', id),
    reportDevices: () => call('reportDevices'),
    listDevices: (query) => call('listDevices', query),
    historyOf: (range) => call('historyOf', range),
    readHistory: (range) => call('readHistory', range),
    pruneHistory: (beforeMs, limit, cursor) => call('pruneHistory', beforeMs, limit, cursor),
    ping: () => call('ping'),
    async close() {
      if (isClosed) return
      const closing = thread.hasEnded() ? undefined : call('close')
      isClosed = true
      // A thread that died has let go of the file as well.
      await closing?.catch(() => {})
      await thread.stop()
    },
  }
}
