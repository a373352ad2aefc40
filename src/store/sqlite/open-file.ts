import { randomBytes } from 'node:crypto'
import { closeSync, linkSync, openSync, renameSync, rmSync, statSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { type Client, createClient } from '@libsql/client/sqlite3'
import { type FileFault, fileFault } from './file-fault.js'
import { failureOf } from './sqlite-error.js'

/** A SQLite file, and what tells it from others. */
export interface FileKind {
  /** What is lost with it, for people. */
  readonly holds: string
  /** These change nothing where they were carried out before (`CREATE TABLE IF NOT EXISTS`). */
  readonly tables: readonly string[]
  /** The tables that are checked for damage at each start; by default all. */
  readonly checks?: readonly string[]
}

/** `Dmsf`: the mark of a file that Damselfly made. (sqlite.org/fileformat2.html, offset 68) */
const APPLICATION_ID = 0x446d7366

/** The format of the tables. A file with a higher number is not touched. */
const FORMAT = 1

/**
 * How long one attempt waits for a lock, in a call during which the thread cannot even be ended (libsql then
 * ends the process). Who wants to wait longer tries again.
 */
const BUSY_TIMEOUT_MS = 500

/**
 * Opens the file at `path`, which has no other connection; makes it where it is missing, private to this user.
 *
 * @throws StoreError STORE_REJECTED for a file that is damaged or not of this kind, which is left as it is;
 *   whatever else SQLite or the file system fail with.
 */
export async function openFile(path: string, kind: FileKind): Promise<Client> {
  const size = statSync(path, { throwIfNoEntry: false })?.size
  const refuse = (fault: FileFault) => fileFault(path, kind.holds, fault)
  if (size === 0) throw refuse({ kind: 'empty' })
  if (size === undefined) {
    if (sizeOf(`${path}-wal`) > 0) throw refuse({ kind: 'headless' })
    await create(path, kind)
  }
  const client = connect(path)
  try {
    const fault = await findFault(client, kind)
    if (fault !== undefined) throw refuse(fault)
    await client.execute('PRAGMA journal_mode = WAL')
    await client.batch([...kind.tables], 'write')
    return client
  } catch (error) {
    client.close()
    const { code, message } = failureOf(error)
    if (code === 'SQLITE_NOTADB') throw refuse({ kind: 'no-database', found: message })
    if (code === 'SQLITE_CORRUPT') throw refuse({ kind: 'damaged', found: message })
    throw error
  }
}

/** With one connection the pragmas hold for all that is done. */
function connect(path: string): Client {
  return createClient({ url: pathToFileURL(path).href, concurrency: 1, timeout: BUSY_TIMEOUT_MS })
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0
}

/** Made beside its place, so that a crash or a full disk never leaves an empty file there. */
async function create(path: string, { tables }: FileKind): Promise<void> {
  const made = `${path}.${randomBytes(4).toString('hex')}.new`
  try {
    closeSync(openSync(made, 'wx', 0o600))
    const client = connect(made)
    try {
      await client.execute('PRAGMA auto_vacuum = INCREMENTAL')
      await client.execute(`PRAGMA application_id = ${APPLICATION_ID}`)
      await client.execute(`PRAGMA user_version = ${FORMAT}`)
      await client.batch([...tables], 'write')
    } finally {
      client.close()
    }
    putInPlace(made, path)
  } finally {
    for (const name of [made, `${made}-journal`]) rmSync(name, { force: true })
  }
}

/** Another process may have made it meanwhile; its file stays. */
function putInPlace(made: string, path: string): void {
  try {
    linkSync(made, path)
  } catch (error) {
    const { code } = failureOf(error)
    // A file system without links.
    if (code !== 'EEXIST') renameSync(made, path)
  }
}

async function findFault(client: Client, kind: FileKind): Promise<FileFault | undefined> {
  const application = await numberOf(client, 'PRAGMA application_id')
  const version = await numberOf(client, 'PRAGMA user_version')
  if (application === APPLICATION_ID && version > FORMAT) return { kind: 'newer', version, known: FORMAT }
  const { rows } = await client.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
  const present = new Set(rows.map((row) => String(row['name'])))
  const known = tableNames(kind.tables)
  const isForeign = application !== 0 && application !== APPLICATION_ID
  if (isForeign || (present.size > 0 && !known.some((name) => present.has(name)))) return { kind: 'foreign' }
  const checks = kind.checks?.filter((name) => present.has(name)).map((name) => `('${name}')`) ?? ['(1)']
  for (const check of checks) {
    const result = await client.execute(`PRAGMA quick_check${check}`)
    const found = String(result.rows[0]?.[0])
    if (found !== 'ok') return { kind: 'damaged', found }
  }
  return undefined
}

function tableNames(statements: readonly string[]): readonly string[] {
  return statements.flatMap((statement) => /^CREATE TABLE IF NOT EXISTS (\w+)/.exec(statement)?.[1] ?? [])
}

async function numberOf(client: Client, pragma: string): Promise<number> {
  const { rows } = await client.execute(pragma)
  return Number(rows[0]?.[0])
}
