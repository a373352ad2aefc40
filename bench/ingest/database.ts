import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type DatabaseAddress, parseDatabaseUrl } from '#src/config/database-url.js'
import { type RunningMariadb, startMariadb } from '../../test/support/mariadb.js'
import type { Context } from '../scenario.js'

/** Where readings are stored, and how it is asked about them. */
export interface Database {
  readonly name: string
  readonly url: string
  readonly address: DatabaseAddress
  /** The process that stores; `undefined`: the server does so itself. */
  readonly pid: number | undefined
  /** How many rows the history has; `undefined`: not counted. */
  readonly historyRows: () => Promise<number | undefined>
  /** Makes an empty history of the same shape in a database of its own; its URL, or `undefined`: no other can write. */
  readonly emptyCopy: () => Promise<string | undefined>
  /** Runs SQL, and has the rows of the last statement; rejects where the server stores itself. */
  readonly ask: (text: string) => Promise<readonly Readonly<Record<string, unknown>>[]>
  readonly stop: () => Promise<void>
}

/** A commit is on disk when it is done, which is MariaDB's default; and memory enough for the load. */
const OPTIONS = ['--innodb-flush-log-at-trx-commit=1', '--innodb-buffer-pool-size=512M']

const NAME = 'ingest'

/** A MariaDB of its own on this machine. */
export async function openMariadb(): Promise<Database> {
  const mariadb = await startMariadb(OPTIONS)
  try {
    await mariadb.createDatabase(NAME)
    const url = mariadb.url(NAME)
    return {
      name: 'MariaDB',
      url,
      address: addressOf(url),
      pid: await pidOf(mariadb),
      async historyRows() {
        const [row] = await mariadb.query(NAME, 'SELECT COUNT(*) AS stored FROM device_sensor_history')
        return Number(row?.['stored'])
      },
      async emptyCopy() {
        await mariadb.createDatabase('alone')
        await mariadb.query('alone', `CREATE TABLE device_sensor_history LIKE ${NAME}.device_sensor_history`)
        return mariadb.url('alone')
      },
      ask: (text) => mariadb.query(NAME, text),
      stop: () => mariadb.stop(),
    }
  } catch (error) {
    await mariadb.stop()
    throw error
  }
}

/** A file in the run's folder. */
export async function openSqlite({ folder }: Pick<Context, 'folder'>): Promise<Database> {
  const url = `sqlite:${join(folder, 'readings.db')}`
  return {
    name: 'SQLite',
    url,
    address: addressOf(url),
    pid: undefined,
    historyRows: async () => undefined,
    emptyCopy: async () => undefined,
    ask: async () => {
      throw new Error('a file cannot be asked')
    },
    stop: async () => undefined,
  }
}

function addressOf(url: string): DatabaseAddress {
  const address = parseDatabaseUrl(url)
  if (address === undefined) throw new Error(`not a database: ${url}`)
  return address
}

async function pidOf(mariadb: RunningMariadb): Promise<number> {
  const [row] = await mariadb.query('mysql', 'SELECT @@pid_file AS file')
  return Number(await readFile(String(row?.['file']), 'utf8'))
}
