import { closeSync, openSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { createClient } from '@libsql/client/sqlite3'
import { sqliteOpenError } from './sqlite-error.js'

/** A writer holds its lock for milliseconds. */
const BUSY_TIMEOUT_MS = 5000

/** `copyDatabaseFile`. */
export async function copyDatabase(from: string, to: string): Promise<void> {
  try {
    closeSync(openSync(to, 'wx', 0o600)) // SQLite fills an empty file, and would make one for everybody
    const client = createClient({
      url: pathToFileURL(from).href,
      concurrency: 1,
      timeout: BUSY_TIMEOUT_MS,
    })
    try {
      await client.execute({ sql: 'VACUUM INTO ?', args: [to] })
    } finally {
      client.close()
    }
  } catch (error) {
    throw sqliteOpenError(error, from)
  }
}
