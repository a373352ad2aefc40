import { mkdirSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import type { Client, ResultSet } from '@libsql/client/sqlite3'
import { getTableColumns, getTableName } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/libsql/sqlite3'
import type { BaseSQLiteDatabase } from 'drizzle-orm/sqlite-core'
import { StoreError } from '../store-error.js'
import { openFile } from './open-file.js'
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

/** The history may be gigabytes; it is judged when it is touched. */
const CHECKED = [deviceMain, deviceSensors].map(getTableName)

/** Opens or creates the file and its tables. */
export async function openDatabase(path: string): Promise<OpenDatabase> {
  const file = resolve(path)
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  const holds = 'devices, their state and their history'
  const client = await openFile(path, {
    holds,
    tables: tableStatements,
    checks: CHECKED,
  })
  try {
    await syncCommits(client)
    await refuseGaps(client)
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

async function refuseGaps(client: Client): Promise<void> {
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
