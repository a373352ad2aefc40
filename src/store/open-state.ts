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
