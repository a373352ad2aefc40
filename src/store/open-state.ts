import type { State, StateKind } from './state.js'

/**
 * Opens the file at `path`, and makes it where it is missing. Until it is closed no other process can open
 * it, unless both share it; one that only reads is not kept from that.
 *
 * @throws StoreError STORE_UNAVAILABLE when another attempt may succeed, STORE_REJECTED when what is there
 *   is not of that kind, is damaged, or cannot be written; the message says what is in it and what to do.
 */
export async function openState(
  path: string,
  kind: StateKind,
  { isShared = false }: { readonly isShared?: boolean } = {},
): Promise<State> {
  const { openSqliteState } = await import('./sqlite/open-sqlite-state.js')
  return openSqliteState(path, kind, isShared)
}

/**
 * Copies the database file `from`, which has to be there, to `to`, which must not be: as it is at one moment, with
 * all that was committed before the call, also while a server writes to it.
 *
 * @throws StoreError, as `openState`.
 */
export async function copyDatabaseFile(from: string, to: string): Promise<void> {
  const { copyDatabase } = await import('./sqlite/copy-database.js')
  await copyDatabase(from, to)
}

/**
 * Keeps every server from opening the state at `path` until the returned function is called.
 *
 * @throws StoreError STORE_UNAVAILABLE while one has it open.
 */
export async function lockState(path: string): Promise<() => void> {
  const { lockFile } = await import('./sqlite/lock-file.js')
  return lockFile(path)
}
