import type { State, StateKind } from './state.js'

/**
 * Opens the file at `path`, and makes it where it is missing. Until it is closed no other process can open
 * it, unless both share it; one that only reads is not kept from that.
 *
 * @throws StoreError STORE_UNAVAILABLE when another attempt may succeed, STORE_REJECTED when what is there
 *   is not of that kind, is damaged, or cannot be written; the message says what is in it and what to do.
 */
export type OpenState = (
  path: string,
  kind: StateKind,
  options?: { readonly isShared?: boolean },
) => Promise<State>

/** A thread for several files: SQLite blocks the one that it runs in. It does what it is asked in that order. */
export interface StateThread {
  readonly open: OpenState
  /** Ends the thread. The files are to be closed before. */
  stop(): Promise<void>
}
