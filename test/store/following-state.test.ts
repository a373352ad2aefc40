import { expect, inject, test, vi } from 'vitest'
import type { Device } from '#src/store/device.js'
import { addAnyDevice, batchOf, report, seen } from '../support/batches.js'
import {
  emptyDatabase,
  entriesIn,
  keepBusy,
  leave,
  nowMs,
  openFor,
  others,
  valueIn,
  waitsForLock,
} from '../support/following-store.js'
import { lockDevice } from '../support/locked-device.js'
import { mariadbAt } from '../support/mariadb.js'

const mariadb = mariadbAt(inject('mariadbPort'))
test('A store that is not busy writes the state with the history', async () => {
  const database = await emptyDatabase(mariadb)
  const { store } = await openFor(database)
  const device = await addAnyDevice(store)
  await store.write(report(device, 'light', 1, nowMs), others)
  expect(await valueIn(database, device)).toBe('1')
  expect(await entriesIn(database)).toBe(0)
})

test('Under load the history is stored at once, the state is in the log, and the tables follow', async () => {
  const database = await emptyDatabase(mariadb)
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
  const database = await emptyDatabase(mariadb)
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
  const database = await emptyDatabase(mariadb)
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
  const database = await emptyDatabase(mariadb)
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
  const database = await emptyDatabase(mariadb)
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
  const database = await emptyDatabase(mariadb)
  const { store } = await openFor(database)
  const device = await addAnyDevice(store)
  await keepBusy(store)
  await store.write(report(device, 'light', 1, nowMs), others)
  await store.removeDevice(device.id)
  await store.close()
  expect(await valueIn(database, device)).toBe(undefined)
})

test('A store that closes has nothing left to follow', async () => {
  const database = await emptyDatabase(mariadb)
  const { store } = await openFor(database)
  const device = await addAnyDevice(store)
  await keepBusy(store)
  await store.write(report(device, 'light', 1, nowMs), others)
  await store.close()
  expect(await valueIn(database, device)).toBe('1')
  expect(await entriesIn(database)).toBe(0)
})

test('What a server left in the log is in the state tables when the next one opens the store', async () => {
  const database = await emptyDatabase(mariadb)
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
  const database = await emptyDatabase(mariadb)
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
  const database = await emptyDatabase(mariadb)
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

test('What is left does not bring a device online that left in the same second', async () => {
  const database = await emptyDatabase(mariadb)
  const first = await openFor(database)
  const [device, other] = [await addAnyDevice(first.store), await addAnyDevice(first.store)]
  await database.query('RENAME TABLE device_sensors TO moved')
  await keepBusy(first.store)
  const batches = [report(device, 'light', 7, nowMs), report(other, 'light', 7, nowMs)]
  for (const batch of batches) await first.store.write(batch, others)
  await first.store.close()
  await database.query('RENAME TABLE moved TO device_sensors')
  const plain = await database.open() // as another server has it
  for (const isOnline of [true, false]) {
    await plain.setPresence([
      { deviceId: device.id, isOnline, atMs: nowMs },
      { deviceId: other.id, isOnline, atMs: nowMs - 1000 },
    ])
  }
  await plain.close()
  await openFor(database)
  expect(await valueIn(database, device)).toBe('7')
  expect(await database.query('SELECT is_online FROM device_main ORDER BY id')).toEqual([
    { is_online: 0 },
    { is_online: 1 },
  ])
})

test('What was left before the clock of the database was set back is there as well', async () => {
  const database = await emptyDatabase(mariadb)
  const first = await openFor(database)
  const device = await addAnyDevice(first.store)
  await leave(database, first.store, device)
  await database.query('UPDATE device_state_log SET written_at = written_at + INTERVAL 1 HOUR')
  await openFor(database)
  expect(await valueIn(database, device)).toBe('7')
})

test('A report that another server wrote meanwhile stays, if it is newer', async () => {
  const database = await emptyDatabase(mariadb)
  const { store } = await openFor(database, true)
  const device = await addAnyDevice(store)
  const another = await database.open()
  const secondMs = Math.floor(Date.now() / 1000) * 1000
  await keepBusy(store)
  await store.write(report(device, 'light', 1, secondMs - 1), others)
  await another.write(report(device, 'light', 2, secondMs))
  await another.close()
  expect(await store.reportDevice(device.id)).toMatchObject({
    last_report_data: { sensors: { light: { value: 2 } } },
    sensors: [{ sensor_value: '2' }],
  })
})

test('A device that somebody else removes while its state is in the log leaves nothing', async () => {
  const database = await emptyDatabase(mariadb)
  const { store } = await openFor(database)
  const device = await addAnyDevice(store)
  await keepBusy(store)
  await store.write(report(device, 'light', 1, nowMs), others)
  const command = await database.open()
  await command.removeDevice(device.id)
  await command.close()
  await store.close()
  expect(await database.query('SELECT sensor_name FROM device_sensors')).toEqual([])
  expect(await entriesIn(database)).toBe(0)
})

test('An entry of another version stops the start, and is named', async () => {
  const database = await emptyDatabase(mariadb)
  await (await openFor(database)).store.close()
  await database.query("INSERT INTO device_state_log (id, changes) VALUES (12, 'what is this')")
  await expect(openFor(database)).rejects.toMatchObject({
    code: 'STORE_SCHEMA',
    message: expect.stringContaining('row 12 of device_state_log'),
  })
})
