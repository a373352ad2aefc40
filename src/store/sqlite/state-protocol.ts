import type { StateKind, Statement, Value } from '../state.js'
import type { PackedError } from './thread-protocol.js'

/** What goes to the thread, and comes back with the same `id`. */
export interface Numbered<T> {
  readonly id: number
  readonly content: T
}

/** What the thread is asked for. `file` is the number under which the file was opened. */
export type StateRequest = OpenRequest | (FileRequest & { readonly file: number })

/** A file to be opened under a number that no other had. */
export interface OpenRequest {
  readonly kind: 'open'
  readonly file: number
  readonly path: string
  readonly holds: StateKind
  /** Whether another process may have it at the same time. */
  readonly isShared: boolean
}

/** What is asked of an open file. */
export type FileRequest =
  | { readonly kind: 'write'; readonly writes: readonly (readonly Statement[])[] }
  | { readonly kind: 'read'; readonly statement: Statement }
  /** 0 pages: all. */
  | { readonly kind: 'shrink'; readonly mostPages: number }
  | { readonly kind: 'close' }

/** What became of one call of `write`. */
export type Outcome = { readonly isDone: true } | { readonly isDone: false; readonly error: PackedError }

/** What a request came to. `written` has an outcome for each call, or none: all are done. */
export type StateAnswer =
  | { readonly kind: 'written'; readonly outcomes: readonly Outcome[] }
  | { readonly kind: 'rows'; readonly rows: readonly (readonly Value[])[] }
  | { readonly kind: 'opened' | 'shrunk' | 'closed' }
  | { readonly kind: 'failed'; readonly error: PackedError }
