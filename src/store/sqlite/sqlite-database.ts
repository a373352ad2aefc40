import { closeSync, mkdirSync, openSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type Client, createClient, type ResultSet } from '@libsql/client'
import { getTableColumns, getTableName } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/libsql'
import type { BaseSQLiteDatabase } from 'drizzle-orm/sqlite-core'
import { StoreError } from '../store-error.js'
import { tableStatements } from './table-statements.js'
import { deviceMain, deviceSensorHistory, deviceSensors } from './tables.js'

/** The file as Drizzle sees it, in or out of a transaction. */
export type SqliteDatabase = BaseSQLiteDatabase<'async', ResultSet>

/** An open file. */
export interface OpenDatabase {
  readonly db: SqliteDatabase
  /**
   * Makes a new connection. A statement that met SQLITE_BUSY stays active in the old one until it is
   * garbage, and every COMMIT fails there meanwhile ("SQL statements in progress").
   */
  reconnect(): Promise<void>
  close(): void
}

/**
 * How long one attempt waits for a lock, in a call during which the thread cannot even be ended (libsql then
 * ends the process). Who wants to wait longer tries again.
 */
const BUSY_TIMEOUT_MS = 500

/** Opens or creates the file, private to this user because secrets are in it, and its tables. */
export async function openDatabase(path: string): Promise<OpenDatabase> {
  const file = resolve(path)
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  closeSync(openSync(file, 'a', 0o600))
  const client = createClient({
    url: pathToFileURL(file).href,
    // With one connection the pragmas hold for all that is done.
    concurrency: 1,
    timeout: BUSY_TIMEOUT_MS,
  })
  try {
    await client.execute('PRAGMA journal_mode = WAL')
    await syncCommits(client)
    await prepareTables(client)
    return {
      db: drizzle({ client }),
      async reconnect() {
        await client.reconnect()
        await syncCommits(client)
      },
      close: () => client.close(),
    }
  } catch (error) {
    client.close()
    throw error
  }
}

/** A commit is on the disk when it returns: an acknowledgement means stored. */
async function syncCommits(client: Client): Promise<void> {
  await client.execute('PRAGMA synchronous = FULL')
}

async function prepareTables(client: Client): Promise<void> {
  await client.batch([...tableStatements], 'write')
  const gaps: string[] = []
  for (const table of [deviceMain, deviceSensors, deviceSensorHistory]) {
    gaps.push(...(await missingColumns(client, table)))
  }
  if (gaps.length === 0) return
  throw new StoreError('STORE_SCHEMA', `${gaps.join('; ')}; add these columns, or move the file away`)
}

async function missingColumns(
  client: Client,
  table: typeof deviceMain | typeof deviceSensors | typeof deviceSensorHistory,
): Promise<string[]> {
  const name = getTableName(table)
  const { rows } = await client.execute({ sql: 'SELECT name FROM pragma_table_info(?)', args: [name] })
  const present = new Set(rows.map((row) => row['name']))
  const missing = Object.values(getTableColumns(table))
    .map((column) => column.name)
    .filter((column) => !present.has(column))
  return missing.length === 0 ? [] : [`${name} lacks ${missing.join(', ')}`]
}
