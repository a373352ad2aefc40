import { LibsqlError } from '@libsql/client/sqlite3'
import { StoreError } from '../store-error.js'
import { DAMAGED_ADVICE } from './file-fault.js'

/** Result codes that mean the content, not the state of the file or of the disk. (sqlite.org/rescode.html) */
const contentErrors: ReadonlySet<string> = new Set([
  'SQLITE_CONSTRAINT',
  'SQLITE_TOOBIG',
  'SQLITE_MISMATCH',
  'SQLITE_RANGE',
])

const advice: ReadonlyMap<string, string> = new Map([
  ['SQLITE_BUSY', 'another process keeps the file locked; end it, or wait'],
  ['SQLITE_FULL', 'make room on the disk'],
  ['SQLITE_READONLY', 'make file and folder writable for this user'],
  ['SQLITE_CANTOPEN', 'check that the path is a file, and its permissions'],
  ['SQLITE_IOERR', 'the disk fails or turned read-only; see what the kernel says of it'],
  ['SQLITE_NOTADB', DAMAGED_ADVICE],
  ['SQLITE_CORRUPT', DAMAGED_ADVICE],
  ['EACCES', 'make file and folder accessible for this user'],
  ['ENOSPC', 'make room on the disk'],
  ['EISDIR', 'name a file, not a folder'],
  ['ENOTDIR', 'part of the path is a file, not a folder'],
  ['EROFS', 'name a path on a disk that takes writes'],
])

/** What passes by itself: a lock, or a full disk. */
const PASSING: ReadonlySet<string> = new Set(['SQLITE_BUSY', 'SQLITE_FULL', 'ENOSPC'])

/** The StoreError for whatever a statement on the file at `path` failed with. */
export function sqliteError(error: unknown, path: string): StoreError {
  if (error instanceof StoreError) return error
  const { code, message } = failureOf(error)
  if (contentErrors.has(code)) {
    return new StoreError('STORE_REJECTED', `${path} refuses the content: ${message}; correct it`)
  }
  return new StoreError(
    'STORE_UNAVAILABLE',
    `${path}: ${message} (${code}); ${advice.get(code) ?? 'try again later'}`,
  )
}

/**
 * The same for opening the file, where only what passes by itself counts as unavailable: a lock, or a full
 * disk. STORE_REJECTED says that another attempt would fail as well.
 */
export function sqliteOpenError(error: unknown, path: string): StoreError {
  if (error instanceof StoreError) return error
  const { code, message } = failureOf(error)
  const isPassing = PASSING.has(code)
  return new StoreError(
    isPassing ? 'STORE_UNAVAILABLE' : 'STORE_REJECTED',
    `${path} cannot be opened: ${message} (${code}); ${advice.get(code) ?? 'check the file and its folder'}`,
  )
}

/** Whether another process has the file locked. */
export function isBusy(error: unknown): boolean {
  return failureOf(error).code === 'SQLITE_BUSY'
}

/** Whether a unique key refused a row. */
export function isDuplicateKey(error: unknown): boolean {
  const { cause } = innermost(error)
  return cause instanceof LibsqlError && cause.extendedCode === 'SQLITE_CONSTRAINT_UNIQUE'
}

/** Code and message of the innermost error, SQLite's or the file system's. */
export function failureOf(error: unknown): { code: string; message: string } {
  const { cause } = innermost(error)
  if (cause instanceof LibsqlError) return { code: cause.code, message: cause.message }
  if (!(cause instanceof Error)) return { code: 'unknown', message: String(cause) }
  const code: unknown = Reflect.get(cause, 'code')
  return { code: typeof code === 'string' ? code : cause.name, message: cause.message }
}

/** The client's own error: what Drizzle wraps around it quotes the statement and all its values. */
function innermost(error: unknown): { cause: unknown } {
  if (error instanceof LibsqlError || !(error instanceof Error) || error.cause === undefined) {
    return { cause: error }
  }
  return innermost(error.cause)
}
