import { pino } from 'pino'

import { expect, inject, onTestFinished, test, vi } from 'vitest'
import type { Device } from '#src/store/device.js'
import type { StoreServer } from '#src/store/following-store.js'
import { openStore } from '#src/store/open-store.js'
import type { Store } from '#src/store/store.js'
import { addAnyDevice, batchOf, newest, reading, report, seen } from '../support/batches.js'
import { lockDevice } from '../support/locked-device.js'
import { mariadbAt } from '../support/mariadb.js'
import { mysqlDatabase, type TestDatabase, zoneOffsetMinutes } from '../support/store-databases.js'

const mariadb = mariadbAt(inject('mariadbPort'))
const nowMs = Math.floor(Date.now() / 1000) * 1000

/** Enough in one second for a store to be busy, and more than it puts into the state tables at once. */
const MANY = 1100

const others = () => true

async function emptyDatabase(): Promise<TestDatabase> {
  const database = await mysqlDatabase(mariadb)
  onTestFinished(database.remove)
  return database
}

/** A store as a server has it, and what it logs. */
async function openFor(database: TestDatabase, isOneOfSeveral = false) {
  const lines: string[] = []
  const log = pino({}, { write: (line: string) => void lines.push(line) })
  const server: StoreServer = { log, isOneOfSeveral }
  const store = await openStore(database.address, { zoneOffsetMinutes }, { ...server, thread: undefined })
  onTestFinished(store.close)
  return { store, lines }
}

/** Batches of `device` with these values, among those of a fleet that keeps the store busy. */
async function keepBusy(store: Store): Promise<void> {
  const devices = Array.from({ length: MANY }, (_, index) => ({
    deviceId: 1_000_000 + index, // no row of `device_main`: nothing is locked or left
    seenAtMs: nowMs,
    isOnline: true,
  }))
  await store.write(batchOf({ devices }), others)
}

async function valueIn(database: TestDatabase, device: Device): Promise<unknown> {
  const [row] = await database.query(
    `SELECT sensor_value AS value FROM device_sensors WHERE device_uuid = '${device.uuid}'`,
  )
  return row?.['value']
}

/** Whether the writing of `device_main` waits for a lock; it takes some milliseconds else. */
async function waitsForLock(database: TestDatabase): Promise<boolean> {
  const updates = await database.query(
    `SELECT ID FROM information_schema.PROCESSLIST
      WHERE DB = DATABASE() AND ID <> CONNECTION_ID() AND INFO LIKE '%UPDATE JSON_TABLE%'
        AND TIME_MS > 500`,
  )
  return updates.length > 0
}

async function entriesIn(database: TestDatabase): Promise<number> {
  const [row] = await database.query('SELECT COUNT(*) AS entries FROM device_state_log')
  return Number(row?.['entries'])
}

test('A store that is not busy writes the state with the history', async () => {
  const database = await emptyDatabase()
  const { store } = await openFor(database)
  const device = await addAnyDevice(store)
  await store.write(report(device, 'light', 1, nowMs), others)
  expect(await valueIn(database, device)).toBe('1')
  expect(await entriesIn(database)).toBe(0)
})

test('Under load the history is stored at once, the state is in the log, and the tables follow', async () => {
  const database = await emptyDatabase()
  const { store } = await openFor(database)
  const device = await addAnyDevice(store)
  await keepBusy(store)
  for (const value of [1, 2, 3]) await store.write(report(device, 'light', value, nowMs + value), others)
  expect(await database.query('SELECT value FROM device_sensor_history')).toHaveLength(3)
  expect(await entriesIn(database)).toBeGreaterThanOrEqual(3)
  expect(await valueIn(database, device)).toBe(undefined)
  await expect.poll(() => valueIn(database, device), { timeout: 30_000 }).toBe('3')
  await expect.poll(() => entriesIn(database), { timeout: 30_000 }).toBe(0)
})

test('A batch that nobody waits behind is done when the tables have all that was written before', async () => {
  const database = await emptyDatabase()
  const { store } = await openFor(database)
  const [device, other] = [await addAnyDevice(store), await addAnyDevice(store)]
  await keepBusy(store)
  await store.write(report(device, 'light', 1, nowMs), others)
  await store.write(report(other, 'light', 2, nowMs), () => false)
  expect(await valueIn(database, device)).toBe('1')
  expect(await valueIn(database, other)).toBe('2')
  expect(await entriesIn(database)).toBe(0)
})

test('A batch behind which others come after all does not wait for the tables', async () => {
  const database = await emptyDatabase()
  const { store } = await openFor(database)
  const device = await addAnyDevice(store)
  await keepBusy(store)
  const unlock = await lockDevice(mariadb, database, device)
  let othersWait = false
  const written = store.write(report(device, 'light', 1, nowMs), () => othersWait)
  await vi.waitUntil(() => waitsForLock(database), { timeout: 30_000 })
  othersWait = true
  await written
  expect(await waitsForLock(database)).toBe(true)
  await unlock()
  await expect.poll(() => valueIn(database, device), { timeout: 30_000 }).toBe('1')
})

test('Whoever asks the store for a device is told what was written before', async () => {
  const database = await emptyDatabase()
  const { store } = await openFor(database)
  const device = await addAnyDevice(store)
  for (const [value, ask] of [
    [1, () => store.reportDevice(device.id)],
    [2, async () => (await store.reportDevices())[0]],
  ] as const) {
    await keepBusy(store)
    await store.write(report(device, 'light', value, nowMs), others)
    expect(await ask()).toMatchObject({ sensors: [{ sensor_value: String(value) }] })
  }
  await keepBusy(store)
  await store.write(batchOf({ devices: [seen(device, nowMs, { deviceStatus: 'error' })] }), others)
  const query = { limit: 10, afterId: 0 }
  expect((await store.listDevices(query)).devices).toMatchObject([{ device_status: 'error' }])
})

test('A device that leaves while its last message is in the log is offline, and stays so', async () => {
  const database = await emptyDatabase()
  const { store } = await openFor(database)
  const device = await addAnyDevice(store)
  await keepBusy(store)
  await store.write(report(device, 'light', 1, nowMs), others)
  await store.setPresence([{ deviceId: device.id, isOnline: false, atMs: nowMs }])
  await store.close()
  const [row] = await database.query(`SELECT is_online FROM device_main WHERE id = ${device.id}`)
  expect(row).toEqual({ is_online: 0 })
})

test('A device that is removed leaves nothing that comes after', async () => {
  const database = await emptyDatabase()
  const { store } = await openFor(database)
  const device = await addAnyDevice(store)
  await keepBusy(store)
  await store.write(report(device, 'light', 1, nowMs), others)
  await store.removeDevice(device.id)
  await store.close()
  expect(await valueIn(database, device)).toBe(undefined)
})

test('A store that closes has nothing left to follow', async () => {
  const database = await emptyDatabase()
  const { store } = await openFor(database)
  const device = await addAnyDevice(store)
  await keepBusy(store)
  await store.write(report(device, 'light', 1, nowMs), others)
  await store.close()
  expect(await valueIn(database, device)).toBe('1')
  expect(await entriesIn(database)).toBe(0)
})

/** What a server leaves that is killed: entries of the log, and nothing of them in the state tables. */
async function leave(database: TestDatabase, store: Store, device: Device): Promise<void> {
  await database.query('RENAME TABLE device_sensors TO moved')
  await keepBusy(store)
  await store.write(report(device, 'light', 7, nowMs), others)
  await store.close()
  await database.query('RENAME TABLE moved TO device_sensors')
  expect(await entriesIn(database)).toBeGreaterThan(0)
  expect(await valueIn(database, device)).toBe(undefined)
}

test('What a server left in the log is in the state tables when the next one opens the store', async () => {
  const database = await emptyDatabase()
  const first = await openFor(database)
  const device = await addAnyDevice(first.store)
  const status = { uploadedAtMs: nowMs, status: { wifi: true } }
  await leave(database, first.store, device)
  await database.query(
    `INSERT INTO device_state_log (changes) VALUES ('${JSON.stringify([
      [
        device.id,
        nowMs,
        { ...seen(device, nowMs), report: status },
        ['rain', true, nowMs, '', 'RAIN_SENSOR'],
      ],
    ])}')`,
  )
  const { store, lines } = await openFor(database)
  expect(await entriesIn(database)).toBe(0)
  expect(await store.reportDevice(device.id)).toMatchObject({
    is_online: true,
    last_report_data: { sensors: { light: { value: 7 }, rain: { value: true } }, status: { wifi: true } },
    sensors: [
      { sensor_name: 'light', sensor_value: '7' },
      { sensor_name: 'rain', sensor_value: 'true', sensor_type: 'RAIN_SENSOR' },
    ],
  })
  expect(lines.join()).toContain('before a server ended')
})

test('What is left is older than what was written since', async () => {
  const database = await emptyDatabase()
  const first = await openFor(database)
  const device = await addAnyDevice(first.store)
  await leave(database, first.store, device)
  const plain = await database.open() // as a command has it
  await plain.write(report(device, 'light', 8, nowMs + 1000))
  await plain.close()
  await openFor(database)
  expect(await valueIn(database, device)).toBe('8')
  expect(await entriesIn(database)).toBe(0)
})

test('One of several servers leaves alone what another may be about to write, and takes what is old', async () => {
  const database = await emptyDatabase()
  const first = await openFor(database, true)
  const [device, other] = [await addAnyDevice(first.store), await addAnyDevice(first.store)]
  const insert = (of: Device, ageS: number) =>
    database.query(
      `INSERT INTO device_state_log (written_at, changes) VALUES (NOW() - INTERVAL ${ageS} SECOND,
        '[[${of.id}, ${nowMs}, 0, ["light", 1]]]')`,
    )
  await insert(device, 3600)
  await insert(other, 1)
  await openFor(database, true)
  expect(await valueIn(database, device)).toBe('1')
  expect(await valueIn(database, other)).toBe(undefined)
  expect(await entriesIn(database)).toBe(1)
})

test('An entry of another version stops the start, and is named', async () => {
  const database = await emptyDatabase()
  await (await openFor(database)).store.close()
  await database.query("INSERT INTO device_state_log (id, changes) VALUES (12, 'what is this')")
  await expect(openFor(database)).rejects.toMatchObject({
    code: 'STORE_SCHEMA',
    message: expect.stringContaining('row 12 of device_state_log'),
  })
})

test('While the state tables take nothing, no more is logged; afterwards nothing is missing', async () => {
  const database = await emptyDatabase()
  const { store } = await openFor(database)
  const [device, other] = [await addAnyDevice(store), await addAnyDevice(store)]
  await database.query('RENAME TABLE device_sensors TO moved')
  await keepBusy(store)
  await store.write(report(device, 'light', 1, nowMs), () => false) // it is in the log
  const entries = await entriesIn(database)
  await expect(store.write(report(other, 'light', 2, nowMs), others)).rejects.toMatchObject({
    code: 'STORE_UNAVAILABLE',
  })
  expect(await entriesIn(database)).toBe(entries)
  await database.query('RENAME TABLE moved TO device_sensors')
  await store.write(report(other, 'light', 3, nowMs), () => false)
  expect(await valueIn(database, device)).toBe('1')
  expect(await valueIn(database, other)).toBe('3')
  expect(await entriesIn(database)).toBe(0)
})

test('What the state tables refuse is told, and keeps nothing else out of them', async () => {
  const database = await emptyDatabase()
  const { store, lines } = await openFor(database)
  const fleet = await Promise.all(Array.from({ length: 9 }, () => addAnyDevice(store)))
  await database.query('ALTER TABLE device_sensors MODIFY sensor_unit VARCHAR(3)')
  await keepBusy(store)
  await store.write(
    batchOf({
      devices: fleet.map((device) => seen(device, nowMs)),
      sensors: fleet.map((device, index) =>
        newest(device, 'light', 1, nowMs, { unit: index === 4 ? 'lumen' : 'lx' }),
      ),
      history: fleet.map((device) => reading(device, 'light', 1, nowMs)),
    }),
    () => false,
  )
  const values = await Promise.all(fleet.map((device) => valueIn(database, device)))
  expect(values).toEqual(fleet.map((_, index) => (index === 4 ? undefined : '1')))
  expect(await entriesIn(database)).toBe(0)
  expect(lines.join()).toContain(`"device":${fleet[4]?.id}`)
})

test('A login that may not create the log writes the state with each batch, and says so', async () => {
  const database = await emptyDatabase()
  const first = await database.open()
  const device = await addAnyDevice(first)
  await first.close()
  const { address } = database
  if (address.kind !== 'mysql') throw new Error('no MariaDB')
  const user = `u${device.uuid.slice(0, 12)}`
  await database.query(`CREATE USER '${user}'@'%' IDENTIFIED BY 'a password';
    GRANT SELECT, INSERT, UPDATE, DELETE ON ${address.database}.* TO '${user}'@'%'`)
  onTestFinished(async () => void (await database.query(`DROP USER '${user}'@'%'`)))
  const limited = { ...database, address: { ...address, user, password: 'a password' } }
  const { store, lines } = await openFor(limited)
  await keepBusy(store)
  await store.write(report(device, 'light', 1, nowMs), others)
  expect(await valueIn(database, device)).toBe('1')
  expect(lines.join()).toContain('may not create device_state_log')
})
