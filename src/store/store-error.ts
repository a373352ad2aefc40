/**
 * - `STORE_UNAVAILABLE`: the database is away, overloaded or refuses for now; the same call may succeed later.
 * - `STORE_REJECTED`: the database refuses the content of this very call, now and later.
 * - `STORE_CONFLICT`: a row with that name is there already.
 * - `STORE_SCHEMA`: a table lacks columns that Damselfly needs; the message names them.
 */
export type StoreErrorCode = 'STORE_UNAVAILABLE' | 'STORE_REJECTED' | 'STORE_CONFLICT' | 'STORE_SCHEMA'

/**
 * What makes a store unavailable, where that decides what is done: `locked`, another transaction is in the way and
 * stays there; `no-table`, a table is gone, or the login may not do this to it.
 */
export type StoreFault = 'locked' | 'no-table'

/** What every method of a `Store` rejects with; `code` says whether to try again. */
export class StoreError extends Error {
  override readonly name = 'StoreError'
  readonly code: StoreErrorCode
  readonly fault: StoreFault | undefined

  constructor(
    code: StoreErrorCode,
    message: string,
    options: ErrorOptions & { readonly fault?: StoreFault | undefined } = {},
  ) {
    super(`${code}: ${message}`, options)
    this.code = code
    this.fault = options.fault
  }
}
