import type { State } from './state.js'

/**
 * Opens the file at `path`, makes it where it is missing, and carries out `tables`, which are to change nothing
 * where they were carried out before (`CREATE TABLE IF NOT EXISTS`).
 *
 * @throws StoreError STORE_UNAVAILABLE when another attempt may succeed, STORE_REJECTED when what is there is
 *   no SQLite database, is damaged, or cannot be written.
 */
export async function openState(path: string, tables: readonly string[]): Promise<State> {
  const { openSqliteState } = await import('./sqlite/open-sqlite-state.js')
  return openSqliteState(path, tables)
}
