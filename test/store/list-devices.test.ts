import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import type { Device, DeviceQuery } from '#src/store/device.js'
import { DEVICES_LOOKED_AT } from '#src/store/page-bounds.js'
import type { Store } from '#src/store/store.js'
import { batchOf, seen } from '../support/batches.js'
import { emptyDatabase, type TestDatabase } from '../support/store-databases.js'

describe.each(['mysql', 'sqlite'] as const)('A list of the devices in the %s store', (kind) => {
  let database: TestDatabase
  let store: Store
  beforeAll(async () => {
    database = await emptyDatabase(kind, inject('mariadbPort'))
    store = await database.open()
    for (const name of ['Kitchen', '厨房', '50 %_\\', "o'Hara"]) await add(name)
  })
  afterAll(async () => {
    await store?.close()
    await database?.remove()
  })

  let count = 0
  function add(name: string): Promise<Device> {
    count += 1
    return store.addDevice({ uuid: `uuid-${count}`, deviceId: `AIOT-${count}`, name, secret: 'secret' })
  }
  const names = async (query: Partial<DeviceQuery>): Promise<string[]> => {
    const { devices } = await store.listDevices({ afterId: 0, limit: 100, ...query })
    return devices.map(({ name }) => name)
  }

  test('has the columns of a report that are short, and no secret', async () => {
    const { devices } = await store.listDevices({ afterId: 0, limit: 1 })
    const [{ id = 0 } = {}] = devices
    const { last_report_data: _report, sensors: _sensors, ...rest } = (await store.reportDevice(id)) ?? {}
    expect(devices).toEqual([rest])
  })

  test('goes on after an id, page by page, and ends', async () => {
    const first = await store.listDevices({ afterId: 0, limit: 2 })
    expect(first.devices.map(({ name }) => name)).toEqual(['Kitchen', '厨房'])
    const { nextAfterId = 0 } = first
    expect(await names({ afterId: nextAfterId })).toEqual(['50 %_\\', "o'Hara"])
    expect(await store.listDevices({ afterId: nextAfterId, limit: 3 })).not.toHaveProperty('nextAfterId')
  })

  test.each([
    ['kitch', ['Kitchen']],
    ['KITCHEN', ['Kitchen']],
    ['房', ['厨房']],
    ['%', ['50 %_\\']],
    ['_\\', ['50 %_\\']],
    ["'", ["o'Hara"]],
    ['aiot-2', ['厨房']],
    ['UUID-3', ['50 %_\\']],
    ['nobody', []],
  ])('has those whose names contain %j', async (text, expected) => {
    expect(await names({ text })).toEqual(expected)
  })

  test('has those that are online, or those that are not', async () => {
    const device = await add('online')
    await store.write(batchOf({ devices: [seen(device, Date.now())] }))
    expect(await names({ isOnline: true })).toEqual(['online'])
    expect(await names({ isOnline: false })).toEqual(['Kitchen', '厨房', '50 %_\\', "o'Hara"])
    expect(await names({ isOnline: true, text: 'kitchen' })).toEqual([])
  })

  test('looks at so many rows and no more, and tells where to go on', async () => {
    const values = Array.from(
      { length: DEVICES_LOOKED_AT + 10 },
      (_, index) => `('many-${index}', 'many-${index}', '${index}', '', 0, 1, '2026-01-01', '2026-01-01')`,
    )
    const columns = 'uuid, device_id, name, device_secret, is_online, is_active, created_at, updated_at'
    await database.query(`INSERT INTO device_main (${columns}) VALUES ${values.join(', ')}`)
    const last = `many-${DEVICES_LOOKED_AT + 9}`
    const first = await store.listDevices({ afterId: 0, limit: 10, text: last })
    expect(first.devices).toEqual([])
    const second = await store.listDevices({ afterId: first.nextAfterId ?? 0, limit: 10, text: last })
    expect(second.devices.map(({ uuid }) => uuid)).toEqual([last])
    expect(second).not.toHaveProperty('nextAfterId')
  })
})
