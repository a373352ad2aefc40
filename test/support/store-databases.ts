import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { createClient } from '@libsql/client'
import { databaseAddress } from '#src/config/database.js'
import type { DatabaseAddress } from '#src/config/database-url.js'
import { openStore } from '#src/store/open-store.js'
import type { Store } from '#src/store/store.js'
import { type Mariadb, mariadbAt } from './mariadb.js'

/** The zone of the DATETIMEs in these tests, as on the platform. */
export const zoneOffsetMinutes = 480

type Row = Readonly<Record<string, unknown>>

/** A database for one test file, and a way to look at it past the store. */
export interface TestDatabase {
  readonly address: DatabaseAddress
  open(): Promise<Store>
  query(text: string): Promise<readonly Row[]>
  remove(): Promise<void>
}

/** An empty database of either kind; the MySQL one on the MariaDB at `mariadbPort`. */
export function emptyDatabase(kind: 'mysql' | 'sqlite', mariadbPort: number): Promise<TestDatabase> {
  return kind === 'mysql' ? mysqlDatabase(mariadbAt(mariadbPort)) : sqliteDatabase()
}

/** An empty database on this MariaDB. */
export async function mysqlDatabase(mariadb: Mariadb): Promise<TestDatabase> {
  const name = `test_${randomUUID().replaceAll('-', '')}`
  await mariadb.createDatabase(name)
  const address = addressOf(mariadb.url(name))
  return {
    address,
    open: () => openStore(address, { zoneOffsetMinutes }),
    query: (text) => mariadb.query(name, text),
    async remove() {
      await mariadb.query('mysql', `DROP DATABASE \`${name}\``)
    },
  }
}

async function sqliteDatabase(): Promise<TestDatabase> {
  const folder = await mkdtemp(join(tmpdir(), 'damselfly-sqlite-'))
  const path = join(folder, 'new folder', 'data #1.db')
  const address = addressOf(`sqlite:${path}`)
  return {
    address,
    open: () => openStore(address, { zoneOffsetMinutes }),
    async query(text) {
      const client = createClient({ url: pathToFileURL(path).href, timeout: 5000 })
      try {
        return (await client.execute(text)).rows.map((row) => ({ ...row }))
      } finally {
        client.close()
      }
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  }
}

/** The address that a `DATABASE_URL` means. */
export function addressOf(url: string): DatabaseAddress {
  return databaseAddress({
    DATABASE_URL: url,
    DATA_DIR: '',
    DB_HOST: undefined,
    DB_NAME: undefined,
    DB_PASSWORD: undefined,
    DB_PORT: 3306,
    DB_USER: undefined,
  })
}
