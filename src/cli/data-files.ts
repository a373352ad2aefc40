import { join } from 'node:path'
import { databaseAddress } from '../config/database.js'
import type { Settings } from '../config/options.js'

/** A file that a server keeps, and that a backup holds under its name. */
export interface DataFile {
  readonly name: string
  readonly path: string
  /** Whether it is a SQLite database, which has to be copied as one. */
  readonly isDatabase: boolean
}

/** The name of the embedded database in a backup, wherever it is. */
export const DATABASE_NAME = 'damselfly.db'

/** The files on which a running server holds a lock, in `DATA_DIR`. */
export const LOCKED_NAMES = ['spool.db', 'state.db', 'presence.db'] as const

/**
 * All that a server keeps on disk, in the order in which it is copied: a message goes from the spool to the
 * database or to the rejected ones, and those from one file to the next, so what moves meanwhile is there twice and
 * never lost. Written twice, it changes nothing.
 */
export function dataFiles(settings: Settings): readonly DataFile[] {
  const database = databaseAddress(settings)
  const inFolder = (name: string, isDatabase: boolean): DataFile => ({
    name,
    path: join(settings.DATA_DIR, name),
    isDatabase,
  })
  const embedded =
    database.kind === 'sqlite' ? [{ name: DATABASE_NAME, path: database.path, isDatabase: true }] : []
  return [
    inFolder('spool.db', true),
    ...embedded,
    inFolder('state.db', true),
    inFolder('presence.db', true),
    inFolder('presence.alive', false),
    inFolder('alerts.json', false),
    inFolder('rejected.ndjson', false),
    inFolder('rejected.1.ndjson', false),
  ]
}
