import { expect, inject, onTestFinished, test, vi } from 'vitest'
import { addAnyDevice, batchOf, newest, reading, report, seen } from '../support/batches.js'
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

test('While the state tables take nothing, no more is logged; afterwards nothing is missing', async () => {
  const database = await emptyDatabase(mariadb)
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

test('What the state tables refuse is told and kept, and keeps nothing else out of them', async () => {
  const database = await emptyDatabase(mariadb)
  const { store, lines, refused } = await openFor(database)
  const fleet = await Promise.all(Array.from({ length: 9 }, () => addAnyDevice(store)))
  const odd = fleet[4]
  if (odd === undefined) throw new Error('no device')
  await database.query(`ALTER TABLE device_sensors MODIFY sensor_unit VARCHAR(3);
    ALTER TABLE device_main MODIFY firmware_version VARCHAR(3)`)
  const rain = newest(odd, 'rain', true, nowMs, { unit: 'much of it' })
  const firmware = seen(odd, nowMs, { firmwareVersion: '1.2.3' })
  await keepBusy(store)
  await store.write(
    batchOf({
      devices: fleet.map((device) =>
        device === odd ? { ...firmware, heartbeatAtMs: nowMs, ipAddress: '::1' } : seen(device, nowMs),
      ),
      sensors: [...fleet.map((device) => newest(device, 'light', 1, nowMs, { unit: 'lx' })), rain],
      history: fleet.map((device) => reading(device, 'light', 1, nowMs)),
    }),
    () => false,
  )
  const values = await Promise.all(fleet.map((device) => valueIn(database, device)))
  expect(values).toEqual(fleet.map(() => '1'))
  expect(
    await database.query(`SELECT is_online, ip_address, firmware_version, last_heartbeat = last_seen AS beats
      FROM device_main WHERE id = ${odd.id}`),
  ).toEqual([{ is_online: 1, ip_address: '::1', firmware_version: null, beats: 1 }])
  expect(await entriesIn(database)).toBe(0)
  expect(lines.join()).toContain(`"device":${odd.id}`)
  expect(refused).toEqual([
    [{ devices: [firmware], sensors: [] }, expect.stringContaining("'firmware_version'")],
    [{ devices: [], sensors: [rain] }, expect.stringContaining("'sensor_unit'")],
  ])
})

test("A row that somebody has locked keeps the others' messages neither from the log nor from the tables", async () => {
  const database = await emptyDatabase(mariadb)
  const { store } = await openFor(database)
  const fleet = await Promise.all(Array.from({ length: 40 }, () => addAnyDevice(store)))
  const [locked, last] = [fleet[0], fleet[39]]
  if (locked === undefined || last === undefined) throw new Error('no devices')
  const unlock = await lockDevice(mariadb, database, locked)
  await keepBusy(store)
  for (const device of fleet) await store.write(report(device, 'light', 1, nowMs), others)
  const presence = store.setPresence([{ deviceId: locked.id, isOnline: false, atMs: nowMs }])
  await expect(presence).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
  expect(await valueIn(database, last)).toBe('1')
  const before = await entriesIn(database)
  await store.write(report(last, 'light', 2, nowMs), others)
  expect(await entriesIn(database)).toBeGreaterThan(before)
  expect(await valueIn(database, locked)).toBe(undefined)
  await unlock()
  await expect.poll(() => valueIn(database, locked), { timeout: 30_000 }).toBe('1')
  await expect.poll(() => entriesIn(database), { timeout: 30_000 }).toBe(0)
}, 120_000)

test('A batch that nobody waits behind does not wait for tables that take long', async () => {
  const database = await emptyDatabase(mariadb)
  const { store } = await openFor(database)
  const device = await addAnyDevice(store)
  const unlock = await lockDevice(mariadb, database, device)
  await keepBusy(store)
  await store.write(report(device, 'light', 1, nowMs), () => false)
  expect(await waitsForLock(database)).toBe(true)
  await unlock()
  await expect.poll(() => valueIn(database, device), { timeout: 30_000 }).toBe('1')
}, 60_000)

test('What a server left waits for a row that somebody has locked, and the next server does not', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  onTestFinished(() => void vi.useRealTimers())
  const database = await emptyDatabase(mariadb)
  const first = await openFor(database)
  const device = await addAnyDevice(first.store)
  await leave(database, first.store, device)
  await database.query('UPDATE device_state_log SET written_at = written_at - INTERVAL 2 MINUTE')
  const unlock = await lockDevice(mariadb, database, device)
  const { lines } = await openFor(database)
  expect(lines.join()).toContain('is not in its rows yet')
  await unlock()
  vi.advanceTimersByTime(60_000)
  await expect.poll(() => valueIn(database, device), { timeout: 30_000 }).toBe('7')
  await expect.poll(() => entriesIn(database), { timeout: 30_000 }).toBe(0)
}, 60_000)

test('Where the log is dropped, what was in it is in the tables, and each batch writes to them', async () => {
  const database = await emptyDatabase(mariadb)
  const { store, lines } = await openFor(database)
  const [device, other] = [await addAnyDevice(store), await addAnyDevice(store)]
  await keepBusy(store)
  await store.write(report(device, 'light', 1, nowMs), others)
  await database.query('DROP TABLE device_state_log')
  await store.write(report(other, 'light', 2, nowMs), others)
  expect(await valueIn(database, device)).toBe('1')
  expect(await valueIn(database, other)).toBe('2')
  await store.write(report(other, 'light', 3, nowMs), others)
  expect(await valueIn(database, other)).toBe('3')
  expect(lines.filter((line) => line.includes('cannot be used any more'))).toHaveLength(1)
})

test('Where the log is dropped while the tables follow, they have what was in it', async () => {
  const database = await emptyDatabase(mariadb)
  const { store, lines } = await openFor(database)
  const device = await addAnyDevice(store)
  await keepBusy(store)
  await store.write(report(device, 'light', 1, nowMs), others)
  await database.query('DROP TABLE device_state_log')
  expect(await store.reportDevice(device.id)).toMatchObject({ sensors: [{ sensor_value: '1' }] })
  await store.write(report(device, 'light', 2, nowMs), others)
  expect(await valueIn(database, device)).toBe('2')
  expect(lines.filter((line) => line.includes('cannot be used any more'))).toHaveLength(1)
})

test.each(['SELECT, INSERT, UPDATE, DELETE', 'SELECT, INSERT, UPDATE, CREATE'])(
  'A login with %s on the database alone writes the state with each batch, and says so',
  async (rights) => {
    const database = await emptyDatabase(mariadb)
    const first = await database.open()
    const device = await addAnyDevice(first)
    await first.close()
    const { address } = database
    if (address.kind !== 'mysql') throw new Error('no MariaDB')
    const user = `u${device.uuid.slice(0, 12)}`
    await database.query(`CREATE USER '${user}'@'%' IDENTIFIED BY 'a password';
      GRANT ${rights} ON ${address.database}.* TO '${user}'@'%'`)
    onTestFinished(async () => void (await database.query(`DROP USER '${user}'@'%'`)))
    const limited = { ...database, address: { ...address, user, password: 'a password' } }
    const { store, lines } = await openFor(limited)
    await keepBusy(store)
    await store.write(report(device, 'light', 1, nowMs), others)
    expect(await valueIn(database, device)).toBe('1')
    expect(lines.join()).toContain('may not create device_state_log, or not delete from it')
  },
)
