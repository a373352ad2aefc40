import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { formatDateTime, formatIso } from '#src/store/date-time.js'
import type { Device } from '#src/store/device.js'
import type { Store } from '#src/store/store.js'
import { addAnyDevice, batchOf, newest, report, seen } from '../support/batches.js'
import { emptyDatabase, type TestDatabase, zoneOffsetMinutes } from '../support/store-databases.js'

const HOUR_MS = 3_600_000
const dateTime = (timeMs: number): string => formatDateTime(timeMs, zoneOffsetMinutes)
const iso = (timeMs: number): string => formatIso(timeMs, zoneOffsetMinutes)

describe.each(['mysql', 'sqlite'] as const)('The newest reading wins in the %s store:', (kind) => {
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

  const nowMs = Math.floor(Date.now() / 1000) * 1000
  const stateOf = async (device: Device) => {
    const found = await store.reportDevice(device.id)
    return { lastSeen: found?.last_seen, report: found?.last_report_data, sensors: found?.sensors }
  }
  const expectState = async (device: Device, value: number, atMs: number) =>
    expect(await stateOf(device)).toMatchObject({
      report: { sensors: { light: { value, timestamp: iso(atMs) } } },
      sensors: [{ sensor_value: String(value), timestamp: dateTime(atMs) }],
    })

  test('an older one changes neither state table, and enters the history', async () => {
    const device = await addAnyDevice(store)
    await store.write(report(device, 'light', 2, nowMs - 10_000))
    const before = await stateOf(device)
    await store.write(report(device, 'light', 1, nowMs - 20_000))
    expect(await stateOf(device)).toEqual(before)
    const range = { deviceId: device.id, sensor: 'light', fromMs: nowMs - HOUR_MS, toMs: nowMs, limit: 9 }
    expect((await store.readHistory(range)).map((point) => point.value)).toEqual([1, 2])
  })

  test.each([
    ['a day', '2026-03-01T00:00:00Z', '2026-02-28T23:59:59Z'],
    ['a year', '2026-01-01T00:00:00Z', '2025-12-31T23:59:59Z'],
    ['a digit', '2026-01-01T10:00:00Z', '2026-01-01T09:59:59Z'],
    ["the zone's midnight", '2026-01-01T16:00:00Z', '2026-01-01T15:59:59Z'],
  ])('times compare as times across %s', async (_, later, earlier) => {
    const device = await addAnyDevice(store)
    await store.write(report(device, 'light', 2, Date.parse(later)))
    await store.write(report(device, 'light', 1, Date.parse(earlier)))
    await expectState(device, 2, Date.parse(later))
    await store.write(report(device, 'light', 3, Date.parse(later) + 1000))
    await expectState(device, 3, Date.parse(later) + 1000)
  })

  test('only the stale sensors of a batch stay out', async () => {
    const device = await addAnyDevice(store)
    const other = await addAnyDevice(store)
    await store.write(report(device, 'light', 2, nowMs - 10_000))
    await store.write(
      batchOf({
        devices: [seen(device, nowMs), seen(other, nowMs)],
        sensors: [
          newest(device, 'light', 1, nowMs - 20_000),
          newest(device, 'noise', 5, nowMs - 20_000),
          newest(other, 'light', 6, nowMs - 20_000),
        ],
      }),
    )
    const { report: merged } = await stateOf(device)
    expect(merged).toMatchObject({ sensors: { light: { value: 2 }, noise: { value: 5 } } })
    await expectState(other, 6, nowMs - 20_000)
  })

  test('one that may be late is weighed against what is stored, however new it is', async () => {
    const device = await addAnyDevice(store)
    const secondMs = Math.floor(Date.now() / 1000) * 1000
    await store.write(report(device, 'light', 2, secondMs))
    await store.write({ ...report(device, 'light', 1, secondMs - 1), mayBeLate: true })
    await expectState(device, 2, secondMs)
  })

  test('of the same time the later call wins', async () => {
    const device = await addAnyDevice(store)
    await store.write(report(device, 'light', 1, nowMs - 10_000))
    await store.write(report(device, 'light', 2, nowMs - 10_000))
    await expectState(device, 2, nowMs - 10_000)
  })

  test('a stored time in the future gives way', async () => {
    const device = await addAnyDevice(store)
    await store.write(
      batchOf({
        devices: [seen(device, nowMs + HOUR_MS, { heartbeatAtMs: nowMs + HOUR_MS })],
        sensors: [newest(device, 'light', 1, nowMs + HOUR_MS)],
      }),
    )
    await expectState(device, 1, nowMs + HOUR_MS)
    await store.write(
      batchOf({
        devices: [seen(device, nowMs, { heartbeatAtMs: nowMs })],
        sensors: [newest(device, 'light', 2, nowMs - 5000)],
      }),
    )
    await expectState(device, 2, nowMs - 5000)
    expect(await store.reportDevice(device.id)).toMatchObject({
      last_seen: dateTime(nowMs),
      last_heartbeat: dateTime(nowMs),
    })
  })

  test('an older report stays out, although a first reading that came with it enters', async () => {
    const device = await addAnyDevice(store)
    const reportAt = (atMs: number, uptime: number) => ({
      report: { uploadedAtMs: atMs, status: { uptime } },
    })
    await store.write(batchOf({ devices: [seen(device, nowMs, reportAt(nowMs, 2))] }))
    await store.write(
      batchOf({
        devices: [seen(device, nowMs - 60_000, reportAt(nowMs - 60_000, 1))],
        sensors: [newest(device, 'light', 1, nowMs - 60_000)],
      }),
    )
    expect((await stateOf(device)).report).toMatchObject({
      sensors: { light: { value: 1 } },
      status: { uptime: 2 },
      upload_timestamp: iso(nowMs),
    })
  })

  test('last_seen and last_heartbeat never go back, nor does what came with them', async () => {
    const device = await addAnyDevice(store)
    await store.write(
      batchOf({
        devices: [
          seen(device, nowMs - 1000, {
            heartbeatAtMs: nowMs - 1000,
            deviceStatus: 'active',
            ipAddress: '192.0.2.2',
            firmwareVersion: '2',
            report: { uploadedAtMs: nowMs - 1000, status: { uptime: 2 } },
          }),
        ],
      }),
    )
    const before = await store.reportDevice(device.id)
    await store.write(
      batchOf({
        devices: [
          seen(device, nowMs - 60_000, {
            isOnline: false,
            heartbeatAtMs: nowMs - 60_000,
            deviceStatus: 'error',
            ipAddress: '192.0.2.1',
            firmwareVersion: '1',
            report: { uploadedAtMs: nowMs - 60_000, status: { uptime: 1 } },
          }),
        ],
      }),
    )
    expect(await store.reportDevice(device.id)).toEqual(before)
    await store.write(batchOf({ devices: [seen(device, nowMs, { isOnline: false })] }))
    expect(await store.reportDevice(device.id)).toMatchObject({
      is_online: false,
      last_seen: dateTime(nowMs),
      last_heartbeat: dateTime(nowMs - 1000),
    })
  })
})
