import { StoreError, type StoreFault } from '../store-error.js'

/** What the driver and the server say of a failure; the statement and its values stay out of it. */
interface Failure {
  /** `ER_…` of the server, `ECONNREFUSED` and the like of the network. */
  readonly code: string
  /** The server's number; negative or absent for a failure on this side. */
  readonly errno: number
  readonly sqlState: string
  readonly message: string
}

const TABLE_ACCESS_DENIED = 1142
const ACCESS_DENIED: ReadonlySet<number> = new Set([1044, TABLE_ACCESS_DENIED])
const NO_SUCH_TABLE = 1146
const DUPLICATE_KEY = 1062
const LOCK_WAIT_TIMEOUT = 1205
const DEADLOCK = 1213
/** "Illegal mix of collations" of MariaDB, of two texts, three and more; "Impossible string conversion" of MySQL 8. */
const UNLIKE_COLUMN: ReadonlySet<number> = new Set([1267, 1270, 1271, 3988])

/**
 * Refusals of the content outside SQLSTATE classes 22 and 23: 1153 packet too large, 1265 data truncated,
 * 1301 result over max_allowed_packet, 1366 text that the column's character set lacks, 3819 and 4025 CHECK
 * constraints, 3988 text that cannot be converted. (MySQL 8 Error Reference; MariaDB Error Codes)
 */
const contentErrors: ReadonlySet<number> = new Set([1153, 1265, 1301, 1366, 3819, 3988, 4025])

const advice: ReadonlyMap<string, string> = new Map([
  ['ECONNREFUSED', 'check that the server runs and listens there'],
  ['ENOTFOUND', "check the host's name"],
  ['EAI_AGAIN', "check the host's name and the name server"],
  ['ETIMEDOUT', 'check the network and the firewall between'],
  ['ER_ACCESS_DENIED_ERROR', 'check user and password'],
  ['ER_DBACCESS_DENIED_ERROR', 'grant the user access to this database'],
  ['ER_TABLEACCESS_DENIED_ERROR', 'grant the user this right'],
  ['ER_COLUMNACCESS_DENIED_ERROR', 'grant the user this right'],
  ['ER_BAD_DB_ERROR', 'create the database, or correct its name'],
  ['ER_CON_COUNT_ERROR', "raise the server's max_connections"],
  ['ER_OPTION_PREVENTS_STATEMENT', 'point the address to a server that takes writes'],
])

/**
 * The StoreError for whatever a statement or a connection failed with.
 *
 * @param where the server, without the password.
 */
export function mysqlError(error: unknown, where: string): StoreError {
  if (error instanceof StoreError) return error
  const failure = failureOf(error)
  const isContent = /^2[23]/.test(failure.sqlState) || contentErrors.has(failure.errno)
  const said = `${failure.message || 'no answer'} (${failure.code})`
  return isContent
    ? new StoreError('STORE_REJECTED', `${where} refuses the content: ${said}; correct it, or the table`)
    : new StoreError(
        'STORE_UNAVAILABLE',
        `${where}: ${said}; ${advice.get(failure.code) ?? 'try again later'}`,
        { fault: faultOf(failure) },
      )
}

function faultOf({ errno }: Failure): StoreFault | undefined {
  if (errno === DEADLOCK || errno === LOCK_WAIT_TIMEOUT) return 'locked'
  return errno === NO_SUCH_TABLE || errno === TABLE_ACCESS_DENIED ? 'no-table' : undefined
}

/** Whether another transaction was in the way, and this one was rolled back to make room. */
export function isLockConflict(error: unknown): boolean {
  return faultOf(failureOf(error)) === 'locked'
}

/** No rows, when a text was compared with a column whose character set lacks some of it: none is equal. */
export function noneIfUnlikeColumn(error: unknown): [] {
  if (UNLIKE_COLUMN.has(failureOf(error).errno)) return []
  throw error
}

/** Whether the login lacks the right to do this, in this database or to this table. */
export function isAccessDenied(error: unknown): boolean {
  return ACCESS_DENIED.has(failureOf(error).errno)
}

/** Whether a unique key refused a row. */
export function isDuplicateKey(error: unknown): boolean {
  return failureOf(error).errno === DUPLICATE_KEY
}

/** The driver's own error: what Drizzle wraps around it quotes the statement and all its values. */
function failureOf(error: unknown): Failure {
  if (error instanceof Error && error.cause instanceof Error) return failureOf(error.cause)
  return {
    code: textOf(error, 'code') ?? (error instanceof Error ? error.name : 'unknown'),
    errno: numberOf(error, 'errno') ?? 0,
    sqlState: textOf(error, 'sqlState') ?? '',
    message: textOf(error, 'sqlMessage') ?? textOf(error, 'message') ?? '',
  }
}

function textOf(value: unknown, key: string): string | undefined {
  const found = propertyOf(value, key)
  return typeof found === 'string' ? found : undefined
}

function numberOf(value: unknown, key: string): number | undefined {
  const found = propertyOf(value, key)
  return typeof found === 'number' ? found : undefined
}

function propertyOf(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined
}
