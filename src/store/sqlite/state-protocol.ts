import type { StateKind, Statement, Value } from '../state.js'
import type { PackedError } from './thread-protocol.js'

/** What the thread of a state file is started with. */
export interface StateThreadStart {
  readonly path: string
  readonly kind: StateKind
  /** Whether another process may have it at the same time. */
  readonly isShared: boolean
}

/** What the thread is asked for; `id` comes back with its answer. */
export type StateRequest =
  | { readonly id: number; readonly kind: 'write'; readonly writes: readonly (readonly Statement[])[] }
  | { readonly id: number; readonly kind: 'read'; readonly statement: Statement }
  /** 0 pages: all. */
  | { readonly id: number; readonly kind: 'shrink'; readonly mostPages: number }
  | { readonly id: number; readonly kind: 'close' }

/** What became of one call of `write`. */
export type Outcome = { readonly isDone: true } | { readonly isDone: false; readonly error: PackedError }

/** What a request came to. `written` has an outcome for each call, or none: all are done. */
export type StateAnswer =
  | { readonly id: number; readonly kind: 'written'; readonly outcomes: readonly Outcome[] }
  | { readonly id: number; readonly kind: 'rows'; readonly rows: readonly (readonly Value[])[] }
  | { readonly id: number; readonly kind: 'shrunk' | 'closed' }
  | { readonly id: number; readonly kind: 'failed'; readonly error: PackedError }

/** The `id` of the answer that says whether the file could be opened. */
export const STATE_OPENED = 0
