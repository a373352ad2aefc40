import type { DatabaseAddress } from '../config/database-url.js'
import { openMysqlStore } from './mysql/open-mysql-store.js'
import { openSqliteStore } from './sqlite/open-sqlite-store.js'
import type { Store } from './store.js'
import type { StoreOptions } from './store-options.js'

/**
 * Opens the store at `address`, in one attempt.
 *
 * @throws StoreError STORE_UNAVAILABLE when another attempt may succeed, STORE_SCHEMA or STORE_REJECTED
 *   when what is there cannot be used.
 */
export function openStore(address: DatabaseAddress, options: StoreOptions): Promise<Store> {
  return address.kind === 'mysql' ? openMysqlStore(address, options) : openSqliteStore(address.path, options)
}
