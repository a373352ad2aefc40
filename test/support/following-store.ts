import { pino } from 'pino'
import { expect, onTestFinished } from 'vitest'
import type { Device } from '#src/store/device.js'
import type { StoreServer } from '#src/store/following-store.js'
import { openStore } from '#src/store/open-store.js'
import type { KeepRefused } from '#src/store/state-applier.js'
import type { Store } from '#src/store/store.js'
import { batchOf, report } from './batches.js'
import type { Mariadb } from './mariadb.js'
import { mysqlDatabase, type TestDatabase, zoneOffsetMinutes } from './store-databases.js'

/** The time of most of what these tests write, epoch ms. */
export const nowMs = Math.floor(Date.now() / 1000) * 1000

/** Enough in one second for a store to be busy, and more than it puts into the state tables at once. */
const MANY = 1100

/** For a batch behind which others wait. */
export const others = (): boolean => true

/** An empty database, until the end of the test. */
export async function emptyDatabase(mariadb: Mariadb): Promise<TestDatabase> {
  const database = await mysqlDatabase(mariadb)
  onTestFinished(database.remove)
  return database
}

/** A store as a server has it, what it logs, and what the state tables refused. */
export async function openFor(database: TestDatabase, isOneOfSeveral = false) {
  const lines: string[] = []
  const refused: Parameters<KeepRefused>[] = []
  const log = pino({}, { write: (line: string) => void lines.push(line) })
  const keepRefused: KeepRefused = async (...some) => refused.push(some)
  const server: StoreServer = { log, isOneOfSeveral, keepRefused }
  const store = await openStore(database.address, { zoneOffsetMinutes }, { ...server, thread: undefined })
  onTestFinished(store.close)
  return { store, lines, refused }
}

/** A batch of so large a fleet that what follows within a second is logged. */
export async function keepBusy(store: Store): Promise<void> {
  const devices = Array.from({ length: MANY }, (_, index) => ({
    deviceId: 1_000_000 + index, // no row of `device_main`: nothing is locked or left
    seenAtMs: nowMs,
    isOnline: true,
  }))
  await store.write(batchOf({ devices }), others)
}

/** The value of a device's only sensor. */
export async function valueIn(database: TestDatabase, device: Device): Promise<unknown> {
  const [row] = await database.query(
    `SELECT sensor_value AS value FROM device_sensors WHERE device_uuid = '${device.uuid}'`,
  )
  return row?.['value']
}

/** Whether the writing of `device_main` waits for a lock; it takes some milliseconds else. */
export async function waitsForLock(database: TestDatabase): Promise<boolean> {
  const updates = await database.query(
    `SELECT ID FROM information_schema.PROCESSLIST
      WHERE DB = DATABASE() AND ID <> CONNECTION_ID() AND INFO LIKE '%UPDATE JSON_TABLE%'
        AND TIME_MS > 500`,
  )
  return updates.length > 0
}

/** How many entries the log of state has. */
export async function entriesIn(database: TestDatabase): Promise<number> {
  const [row] = await database.query('SELECT COUNT(*) AS entries FROM device_state_log')
  return Number(row?.['entries'])
}

/** What a server leaves that is killed: entries of the log, and nothing of them in the state tables. */
export async function leave(database: TestDatabase, store: Store, device: Device): Promise<void> {
  await database.query('RENAME TABLE device_sensors TO moved')
  await keepBusy(store)
  await store.write(report(device, 'light', 7, nowMs), others)
  await store.close()
  await database.query('RENAME TABLE moved TO device_sensors')
  expect(await entriesIn(database)).toBeGreaterThan(0)
  expect(await valueIn(database, device)).toBe(undefined)
}
