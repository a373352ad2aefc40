import { afterAll, beforeAll, describe, expect, inject, onTestFinished, test } from 'vitest'
import { formatDateTime } from '#src/store/date-time.js'
import type { Device } from '#src/store/device.js'
import type { Store } from '#src/store/store.js'
import { addAnyDevice, batchOf, seen } from '../support/batches.js'
import { startMariadb } from '../support/mariadb.js'
import {
  emptyDatabase,
  mysqlDatabase,
  type TestDatabase,
  zoneOffsetMinutes,
} from '../support/store-databases.js'

const SECOND_MS = 1000
const HOUR_MS = 3_600_000

const dateTime = (timeMs: number): string => formatDateTime(timeMs, zoneOffsetMinutes)

describe.each(['mysql', 'sqlite'] as const)('Presence in the %s store', (kind) => {
  let database: TestDatabase
  let store: Store
  beforeAll(async () => {
    database = await emptyDatabase(kind, inject('mariadbPort'))
    store = await database.open()
  })
  afterAll(async () => {
    await store?.close()
    await database?.remove()
  })

  const nowMs = Math.floor(Date.now() / SECOND_MS) * SECOND_MS
  const presenceOf = async (device: Device) => {
    const report = await store.reportDevice(device.id)
    return { isOnline: report?.is_online, lastSeen: report?.last_seen }
  }
  /** A device that was seen at `atMs`, if it ever was. */
  const deviceSeen = async (atMs: number | undefined, isOnline = true): Promise<Device> => {
    const device = await addAnyDevice(store)
    if (atMs !== undefined) await store.write(batchOf({ devices: [seen(device, atMs, { isOnline })] }))
    return device
  }
  const set = (device: Device, isOnline: boolean, atMs: number): Promise<void> =>
    store.setPresence([{ deviceId: device.id, isOnline, atMs }])

  test.each([
    { what: 'a device that was never seen', before: undefined },
    { what: 'a device that was seen before', before: nowMs - SECOND_MS },
    { what: 'a device that was seen in the same second', before: nowMs },
    { what: 'a device whose time is that of a wrong clock', before: nowMs + HOUR_MS },
  ])('brings $what online, which is a sign of life', async ({ before }) => {
    const device = await deviceSeen(before, false)
    await set(device, true, nowMs + 999)
    expect(await presenceOf(device)).toEqual({ isOnline: true, lastSeen: dateTime(nowMs) })
  })

  test.each([
    { what: 'a device that was seen before', before: nowMs - SECOND_MS },
    { what: 'a device that was seen in the same second', before: nowMs },
    { what: 'a device whose time is that of a wrong clock', before: nowMs + HOUR_MS },
  ])('takes $what offline, and leaves its time alone', async ({ before }) => {
    const device = await deviceSeen(before)
    await set(device, false, nowMs)
    expect(await presenceOf(device)).toEqual({ isOnline: false, lastSeen: dateTime(before) })
  })

  test.each([true, false])('changes nothing of what was seen since (online: %s)', async (isOnline) => {
    const device = await deviceSeen(nowMs + SECOND_MS, !isOnline)
    await set(device, isOnline, nowMs)
    expect(await presenceOf(device)).toEqual({ isOnline: !isOnline, lastSeen: dateTime(nowMs + SECOND_MS) })
  })

  test('takes a thousand changes at once, of devices that are gone as well', async () => {
    const devices = await Promise.all(Array.from({ length: 20 }, () => deviceSeen(nowMs)))
    const gone = Array.from({ length: 980 }, (_, index) => 1_000_000 + index)
    const ids = [...gone, ...devices.map(({ id }) => id).reverse()]
    await store.setPresence(ids.map((deviceId) => ({ deviceId, isOnline: deviceId % 2 === 0, atMs: nowMs })))
    for (const device of devices) {
      expect((await presenceOf(device)).isOnline).toBe(device.id % 2 === 0)
    }
    await store.setPresence([])
  })

  test('refuses a time that no column holds, and changes nothing', async () => {
    const device = await deviceSeen(nowMs)
    await expect(set(device, false, Number.NaN)).rejects.toMatchObject({ code: 'STORE_REJECTED' })
    expect((await presenceOf(device)).isOnline).toBe(true)
  })

  test('finds who is online and silent, however that came to be', async () => {
    const beforeMs = nowMs - 10 * SECOND_MS
    const silent = [await deviceSeen(beforeMs - SECOND_MS), await deviceSeen(nowMs + HOUR_MS)]
    const never = await addAnyDevice(store)
    await database.query(`UPDATE device_main SET is_online = 1 WHERE id = ${never.id}`)
    const others = [
      await deviceSeen(beforeMs),
      await deviceSeen(nowMs),
      await deviceSeen(beforeMs - HOUR_MS, false),
      await addAnyDevice(store),
    ]
    const found = await store.findSilent(beforeMs)
    expect(found).toEqual(expect.arrayContaining([...silent, never].map(({ id }) => id)))
    for (const { id } of others) expect(found).not.toContain(id)
  })
})

test('Presence and batches that touch the same devices at once are in no deadlock', async () => {
  // One that nobody else brings into deadlocks.
  const mariadb = await startMariadb()
  onTestFinished(mariadb.stop)
  const database = await mysqlDatabase(mariadb)
  const store = await database.open()
  const devices = await Promise.all(Array.from({ length: 200 }, () => addAnyDevice(store)))
  const deadlocks = async (): Promise<number> => {
    const [row] = await database.query("SHOW GLOBAL STATUS LIKE 'Innodb_deadlocks'")
    return Number(row?.['Value'])
  }
  const before = await deadlocks()
  for (let round = 0; round < 20; round++) {
    const atMs = Date.now()
    const changes = devices.map(({ id }) => ({ deviceId: id, isOnline: true, atMs }))
    await Promise.all([
      store.setPresence(changes.toReversed()),
      store.write(batchOf({ devices: devices.toReversed().map((device) => seen(device, atMs)) })),
    ])
  }
  expect(await deadlocks()).toBe(before)
  await store.close()
})
