import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { formatDateTime, formatIso } from '#src/store/date-time.js'
import type { Device } from '#src/store/device.js'
import type { Store } from '#src/store/store.js'
import { addAnyDevice, batchOf, newest, reading, report, seen } from '../support/batches.js'
import { emptyDatabase, type TestDatabase, zoneOffsetMinutes } from '../support/store-databases.js'

const dateTime = (timeMs: number): string => formatDateTime(timeMs, zoneOffsetMinutes)
const iso = (timeMs: number): string => formatIso(timeMs, zoneOffsetMinutes)

describe.each(['mysql', 'sqlite'] as const)('The %s store', (kind) => {
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
  const reportOf = async (device: Device) => {
    const found = await store.reportDevice(device.id)
    if (found === undefined) throw new Error(`device ${device.id} is gone`)
    return found
  }
  const historyOf = (device: Device, sensor: string) =>
    store.readHistory({ deviceId: device.id, sensor, fromMs: nowMs - 1e8, toMs: nowMs + 1e8, limit: 10_000 })

  test('stores every kind of row exactly', async () => {
    const device = await addAnyDevice(store)
    await store.write({
      devices: [
        seen(device, nowMs, {
          heartbeatAtMs: nowMs - 5000,
          report: { uploadedAtMs: nowMs - 1, status: { uptime: 7 }, location: { latitude: 39.9 } },
          deviceStatus: 'active',
          ipAddress: '192.0.2.7',
          firmwareVersion: '1.2.3',
        }),
      ],
      sensors: [
        newest(device, 'temperature', 24.4, nowMs - 875, { unit: '°C', type: 'DHT11' }),
        newest(device, 'rain', true, nowMs, { type: 'RAIN_SENSOR' }),
      ],
      history: [reading(device, 'temperature', 24.4, nowMs - 875, 4_294_967_295)],
    })
    expect(await reportOf(device)).toEqual({
      id: device.id,
      uuid: device.uuid,
      device_id: device.deviceId,
      name: 'a device',
      device_status: 'active',
      is_online: true,
      is_active: true,
      last_seen: dateTime(nowMs),
      last_heartbeat: dateTime(nowMs - 5000),
      ip_address: '192.0.2.7',
      firmware_version: '1.2.3',
      last_report_data: {
        sensors: {
          temperature: { value: 24.4, unit: '°C', timestamp: iso(nowMs - 875) },
          rain: { value: true, unit: '', timestamp: iso(nowMs) },
        },
        status: { uptime: 7 },
        location: { latitude: 39.9 },
        upload_timestamp: iso(nowMs - 1),
      },
      sensors: [
        {
          sensor_name: 'rain',
          sensor_value: 'true',
          sensor_unit: '',
          sensor_type: 'RAIN_SENSOR',
          timestamp: dateTime(nowMs),
        },
        {
          sensor_name: 'temperature',
          sensor_value: '24.4',
          sensor_unit: '°C',
          sensor_type: 'DHT11',
          timestamp: dateTime(nowMs - 875),
        },
      ],
    })
    expect(await historyOf(device, 'temperature')).toEqual([{ recordedAtMs: nowMs - 875, value: 24.4 }])
  })

  test('keeps what one sensor said when another one reports', async () => {
    const device = await addAnyDevice(store)
    await store.write(report(device, 'temperature', 24.4, nowMs - 2))
    await store.write(report(device, 'humidity', 39, nowMs - 1))
    const { last_report_data, sensors } = await reportOf(device)
    expect(last_report_data).toEqual({
      sensors: {
        temperature: { value: 24.4, unit: '', timestamp: iso(nowMs - 2) },
        humidity: { value: 39, unit: '', timestamp: iso(nowMs - 1) },
      },
    })
    expect(sensors.map((sensor) => sensor.sensor_name)).toEqual(['humidity', 'temperature'])
  })

  test('merges what a device says of itself, and leaves alone what a change does not name', async () => {
    const device = await addAnyDevice(store)
    const first = {
      heartbeatAtMs: nowMs,
      deviceStatus: 'error',
      ipAddress: '192.0.2.1',
      firmwareVersion: '1',
      report: { uploadedAtMs: nowMs, status: { uptime: 1, wifi: true }, location: { latitude: 1 } },
    }
    await store.write(batchOf({ devices: [seen(device, nowMs, first)] }))
    await store.write(
      batchOf({
        devices: [
          seen(device, nowMs, {
            isOnline: false,
            report: { uploadedAtMs: nowMs, status: { uptime: 2, wifi: null } },
          }),
        ],
      }),
    )
    expect(await reportOf(device)).toMatchObject({
      is_online: false,
      device_status: 'error',
      ip_address: '192.0.2.1',
      firmware_version: '1',
      last_heartbeat: dateTime(nowMs),
      last_report_data: { status: { uptime: 2 }, location: { latitude: 1 }, upload_timestamp: iso(nowMs) },
    })
  })

  test('changes nothing when the same batch comes again', async () => {
    const device = await addAnyDevice(store)
    const batch = {
      ...report(device, 'temperature', 24.4, nowMs - 60_000),
      history: [
        reading(device, 'temperature', 24.4, nowMs - 60_000),
        reading(device, 'temperature', 25, nowMs - 60_000, 7),
      ],
    }
    await store.write(batch)
    const before = [await reportOf(device), await historyOf(device, 'temperature')]
    await store.write(batch)
    expect([await reportOf(device), await historyOf(device, 'temperature')]).toEqual(before)
    expect(before[1]).toHaveLength(2)
  })

  test('keeps two different readings of one millisecond', async () => {
    const device = await addAnyDevice(store)
    const history = [reading(device, 'light', 1, nowMs + 123, 2), reading(device, 'light', 2, nowMs + 123, 1)]
    await store.write(batchOf({ history }))
    expect(await historyOf(device, 'light')).toEqual([
      { recordedAtMs: nowMs + 123, value: 2 },
      { recordedAtMs: nowMs + 123, value: 1 },
    ])
  })

  test('gives back numbers to the last bit', async () => {
    const device = await addAnyDevice(store)
    const values = [0.1, 1 / 3, -2.5e-300, Number.MAX_VALUE, Number.MIN_VALUE, 2 ** 53, -0.7, 0]
    await store.write(
      batchOf({ history: values.map((value, index) => reading(device, 'number', value, nowMs + index)) }),
    )
    expect((await historyOf(device, 'number')).map((point) => point.value)).toEqual(values)
  })

  test('leaves nothing of a batch with one bad row', async () => {
    const device = await addAnyDevice(store)
    const before = await reportOf(device)
    const good = report(device, 'temperature', 1, nowMs)
    const bad = [
      { ...good, history: [...good.history, reading(device, 'temperature', Number.NaN, nowMs + 1)] },
      { ...good, history: [...good.history, reading(device, 'temperature', 1, Number.NaN)] },
      { ...good, history: [...good.history, reading(device, 'x'.repeat(51), 1, nowMs)] },
      { ...good, sensors: [...good.sensors, newest(device, 'light', 1, nowMs, { unit: 'u'.repeat(21) })] },
      { ...good, sensors: [...good.sensors, newest(device, 'light', 1, nowMs, { type: 't'.repeat(300) })] },
      { ...good, devices: [seen(device, nowMs, { deviceStatus: 's'.repeat(21) })] },
      { ...good, devices: [seen(device, nowMs, { firmwareVersion: 'f'.repeat(300) })] },
    ]
    for (const batch of bad) {
      await expect(store.write(batch)).rejects.toMatchObject({ code: 'STORE_REJECTED' })
      expect(await reportOf(device)).toEqual(before)
      expect(await historyOf(device, 'temperature')).toEqual([])
    }
  })

  test('writes a reading whose device has no change of its own', async () => {
    const device = await addAnyDevice(store)
    await store.write(batchOf({ sensors: [newest(device, 'light', 5, nowMs)] }))
    expect(await reportOf(device)).toMatchObject({
      last_seen: null,
      is_online: false,
      last_report_data: { sensors: { light: { value: 5 } } },
    })
  })

  test('leaves no sensors of a device that was removed meanwhile', async () => {
    const [device, other] = [await addAnyDevice(store), await addAnyDevice(store)]
    await store.removeDevice(device.id)
    await store.write(
      batchOf({ sensors: [newest(device, 'light', 5, nowMs), newest(other, 'light', 5, nowMs)] }),
    )
    const uuids = `'${device.uuid}', '${other.uuid}'`
    expect(
      await database.query(`SELECT device_uuid FROM device_sensors WHERE device_uuid IN (${uuids})`),
    ).toEqual([{ device_uuid: other.uuid }])
  })

  test('keeps text of every script, quotes, backslashes and emoji', async () => {
    const device = await addAnyDevice(store)
    const text = `'"\\ °C 温度 😀`
    await store.write(
      batchOf({
        devices: [
          seen(device, nowMs, {
            report: { uploadedAtMs: nowMs, status: { [text]: text, half: '\ud83d', escaped: '\\ud83d' } },
          }),
        ],
        sensors: [newest(device, 'light', 1, nowMs, { unit: text, type: text })],
      }),
    )
    const { last_report_data, sensors } = await reportOf(device)
    expect(sensors[0]).toMatchObject({ sensor_unit: text, sensor_type: text })
    expect(last_report_data).toMatchObject({
      sensors: { light: { unit: text } },
      status: { [text]: text, half: '\ufffd', escaped: '\\ud83d' },
    })
  })

  test("takes the names of JavaScript's own properties for names like others", async () => {
    const device = await addAnyDevice(store)
    for (const name of ['__proto__', 'constructor', 'to_string']) {
      await store.write(report(device, name, 1, nowMs))
      expect(await historyOf(device, name)).toHaveLength(1)
    }
    const { sensors, last_report_data } = await reportOf(device)
    expect(sensors.map((sensor) => sensor.sensor_name)).toEqual(['__proto__', 'constructor', 'to_string'])
    expect(JSON.stringify(last_report_data)).toContain('"__proto__":{')
    expect(Reflect.get({}, 'value')).toBeUndefined()
  })

  test('stores a report of 28 levels and rejects a deeper one', async () => {
    const device = await addAnyDevice(store)
    const nested = (levels: number) => {
      let status: { inner?: object } = {}
      for (let level = 1; level < levels; level++) status = { inner: status }
      return JSON.parse(JSON.stringify(status))
    }
    const withStatus = (levels: number) =>
      batchOf({
        devices: [seen(device, nowMs, { report: { uploadedAtMs: nowMs, status: nested(levels) } })],
      })
    await store.write(withStatus(28))
    const stored = await reportOf(device)
    expect(stored.last_report_data).toMatchObject({ status: nested(28) })
    for (const levels of [29, 3000]) {
      await expect(store.write(withStatus(levels))).rejects.toMatchObject({ code: 'STORE_REJECTED' })
    }
    expect(await reportOf(device)).toEqual(stored)
  })

  test('writes a batch of 5,000 rows', async () => {
    const devices = await Promise.all(Array.from({ length: 20 }, () => addAnyDevice(store)))
    const names = Array.from({ length: 250 }, (_, index) => `sensor_${index}`)
    await store.write({
      devices: devices.map((device) => seen(device, nowMs)),
      sensors: devices.flatMap((device) => names.map((name, index) => newest(device, name, index, nowMs))),
      history: devices.flatMap((device) =>
        names.map((_, index) => reading(device, 'light', index, nowMs + index)),
      ),
    })
    for (const device of devices) {
      expect((await reportOf(device)).sensors).toHaveLength(250)
      expect(await historyOf(device, 'light')).toHaveLength(250)
    }
  })

  test('resolves an empty batch, answers a ping, and rejects everything once closed', async () => {
    await store.write(batchOf({}))
    await store.ping()
    const other = await database.open()
    await other.close()
    await other.close()
    await expect(other.ping()).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
  })
})
