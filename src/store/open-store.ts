import type { DatabaseAddress } from '../config/database-url.js'
import type { StoreServer } from './following-store.js'
import type { SqliteThread } from './sqlite/sqlite-thread.js'
import type { Store } from './store.js'
import type { StoreOptions } from './store-options.js'

/**
 * Opens the store at `address`, in one attempt. Only the driver that is used is loaded: each takes a quarter
 * of a second of a slow machine. A `server` is told apart from commands, which write nothing that devices send; a
 * `thread` of it that is loading by now is used for SQLite.
 *
 * @throws StoreError STORE_UNAVAILABLE when another attempt may succeed, STORE_SCHEMA or STORE_REJECTED
 *   when what is there cannot be used.
 */
export async function openStore(
  address: DatabaseAddress,
  options: StoreOptions,
  server?: StoreServer & { readonly thread: SqliteThread | undefined },
): Promise<Store> {
  if (address.kind === 'mysql') {
    const { openMysqlStore } = await import('./mysql/open-mysql-store.js')
    return openMysqlStore(address, options, server)
  }
  const { openSqliteStore } = await import('./sqlite/open-sqlite-store.js')
  return openSqliteStore(address.path, options, server?.thread)
}
