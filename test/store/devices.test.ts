import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import type { Store } from '#src/store/store.js'
import { addAnyDevice, reading, report } from '../support/batches.js'
import { emptyDatabase, type TestDatabase } from '../support/store-databases.js'

describe.each(['mysql', 'sqlite'] as const)('A device in the %s store', (kind) => {
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
  const anyDevice = () => ({ uuid: randomUUID(), deviceId: randomUUID(), name: '温室 😀', secret: `'"\\` })

  test('is found by its uuid and by its device_id', async () => {
    const given = anyDevice()
    const { name: _name, ...added } = given
    const device = await store.addDevice(given)
    expect(device).toEqual({ id: device.id, ...added, isActive: true })
    const found = { id: device.id, ...added, isActive: true }
    expect(await store.findDevice(given.uuid)).toEqual(found)
    expect(await store.findDevice(given.deviceId)).toEqual(found)
    expect(await store.reportDevice(device.id)).toMatchObject({
      name: '温室 😀',
      device_status: 'pending',
      is_online: false,
      is_active: true,
      last_seen: null,
      last_report_data: null,
      sensors: [],
    })
  })

  test('is not found by a name that differs in case, trailing blanks, an accent or a wildcard', async () => {
    const { uuid, deviceId } = await store.addDevice({ ...anyDevice(), uuid: 'device-é', deviceId: 'id-é' })
    expect(await store.findDevice(uuid)).toBeDefined()
    expect(await store.findDevice(deviceId)).toBeDefined()
    for (const other of [
      'DEVICE-é',
      'device-é ',
      'device-e',
      'device-_',
      'device-%',
      'ID-é',
      'id-é ',
      'id-e',
    ]) {
      expect(await store.findDevice(other)).toBeUndefined()
    }
    for (const other of ['', ' ', '温', '😀', 'device-é\0', '\ud83d', "' OR 1=1 -- ", 'x'.repeat(70_000)]) {
      expect(await store.findDevice(other)).toBeUndefined()
    }
  })

  test("is found by its uuid before another one's device_id", async () => {
    const name = randomUUID()
    await store.addDevice({ ...anyDevice(), deviceId: name })
    const byUuid = await store.addDevice({ ...anyDevice(), uuid: name })
    expect(await store.findDevice(name)).toMatchObject({ id: byUuid.id })
  })

  test('is found among many names, by each of its own, as it is found alone', async () => {
    const devices = [await store.addDevice(anyDevice()), await store.addDevice(anyDevice())]
    const names = devices.flatMap(({ uuid, deviceId }) => [uuid, deviceId])
    const strangers = Array.from({ length: 500 }, () => randomUUID())
    const found = await store.findDevices([...strangers, ...names, ...names])
    expect([...found.keys()].sort()).toEqual([...names].sort())
    for (const name of names) expect(found.get(name)).toEqual(await store.findDevice(name))
    expect(await store.findDevices(strangers)).toEqual(new Map())
    expect(await store.findDevices([])).toEqual(new Map())
  })

  test('is not found among many names that differ from its own, nor hidden by odd ones', async () => {
    const given = { ...anyDevice(), uuid: 'many-é', deviceId: 'many-id-é' }
    const device = await store.addDevice(given)
    const others = ['MANY-é', 'many-é ', 'many-e', 'many-_', '%', 'MANY-ID-é', 'many-id-é\t', 'many-é\0']
    const odd = ['', ' ', '温', '😀', '\ud83d', `'"\\`, 'x'.repeat(70_000), '__proto__']
    const found = await store.findDevices([...others, ...odd, given.uuid])
    expect(found).toEqual(new Map([[given.uuid, device]]))
  })

  test("is found among many by its uuid before another one's device_id", async () => {
    const [name, another] = [randomUUID(), randomUUID()]
    const byDeviceId = await store.addDevice({ ...anyDevice(), deviceId: name })
    const byUuid = await store.addDevice({ ...anyDevice(), uuid: name, deviceId: another })
    const found = await store.findDevices([another, byDeviceId.uuid, name])
    expect(found).toEqual(
      new Map([
        [another, byUuid],
        [byDeviceId.uuid, byDeviceId],
        [name, byUuid],
      ]),
    )
  })

  test('conflicts with one of the same uuid or device_id', async () => {
    const given = anyDevice()
    await store.addDevice(given)
    for (const taken of [{ uuid: given.uuid }, { deviceId: given.deviceId }]) {
      await expect(store.addDevice({ ...anyDevice(), ...taken })).rejects.toMatchObject({
        code: 'STORE_CONFLICT',
      })
    }
  })

  test.each([{ uuid: 'u'.repeat(37) }, { deviceId: 'd'.repeat(51) }, { name: 'n'.repeat(101) }])(
    'is rejected when its text is too long: %o',
    async (part) => {
      await expect(store.addDevice({ ...anyDevice(), ...part })).rejects.toMatchObject({
        code: 'STORE_REJECTED',
      })
    },
  )

  test('gets another secret, once or twice the same', async () => {
    const device = await addAnyDevice(store)
    expect(await store.setSecret(device.id, 'other')).toBe(true)
    expect(await store.setSecret(device.id, 'other')).toBe(true)
    expect(await store.findDevice(device.uuid)).toMatchObject({ secret: 'other' })
    expect(await store.setSecret(device.id + 1_000_000, 'other')).toBe(false)
  })

  test('is removed with its sensors and its history, and nothing else is', async () => {
    const device = await addAnyDevice(store)
    const other = await addAnyDevice(store)
    await store.write(report(device, 'light', 1, nowMs))
    await store.write(report(other, 'light', 2, nowMs))
    const history = Array.from({ length: 10_001 }, (_, index) => reading(device, 'noise', 1, nowMs + index))
    await store.write({ devices: [], sensors: [], history })
    expect(await store.removeDevice(device.id)).toBe(true)
    expect(await store.removeDevice(device.id)).toBe(false)
    expect(await store.findDevice(device.uuid)).toBeUndefined()
    expect(await store.reportDevice(device.id)).toBeUndefined()
    const [sensors] = await database.query(
      `SELECT COUNT(*) AS n FROM device_sensors WHERE device_uuid = '${device.uuid}'`,
    )
    const [rows] = await database.query(
      `SELECT COUNT(*) AS n FROM device_sensor_history WHERE device_id = ${device.id}`,
    )
    expect([sensors?.['n'], rows?.['n']]).toEqual([0, 0])
    expect((await store.reportDevice(other.id))?.sensors).toHaveLength(1)
    const range = { deviceId: other.id, sensor: 'light', fromMs: 0, toMs: nowMs + 1, limit: 10 }
    expect(await store.readHistory(range)).toHaveLength(1)
  })

  test('never gets the id of one that was removed', async () => {
    const first = await addAnyDevice(store)
    await store.removeDevice(first.id)
    expect((await addAnyDevice(store)).id).toBeGreaterThan(first.id)
  })

  test('stands in the report of all devices, which is ordered by device_id', async () => {
    const devices = [
      await store.addDevice({ ...anyDevice(), deviceId: '0-b' }),
      await store.addDevice({ ...anyDevice(), deviceId: '0-a' }),
    ]
    for (const device of devices) await store.write(report(device, 'light', device.id, nowMs))
    const reports = await store.reportDevices()
    const ids = reports.map((entry) => entry.device_id)
    expect(ids.indexOf('0-a')).toBeLessThan(ids.indexOf('0-b'))
    for (const device of devices) {
      const entry = reports.find((candidate) => candidate.id === device.id)
      expect(entry).toEqual(await store.reportDevice(device.id))
      expect(entry?.sensors).toMatchObject([{ sensor_value: String(device.id) }])
    }
  })
})
