import { expect, inject, onTestFinished, test } from 'vitest'
import { createDeviceDirectory } from '#src/store/device-directory.js'
import { StoreError } from '#src/store/store-error.js'
import { emptyDatabase } from '../support/store-databases.js'

/** A directory over a database with one device, `u`; its clock, and a count of the questions to the store. */
async function directory() {
  const database = await emptyDatabase('sqlite', inject('mariadbPort'))
  const store = await database.open()
  onTestFinished(async () => {
    await store.close()
    await database.remove()
  })
  await store.addDevice({ uuid: 'u', deviceId: 'd', name: 'n', secret: 's' })
  const state = { asked: 0, isAway: false, hangs: false, nowMs: 1 }
  const devices = createDeviceDirectory(
    {
      ...store,
      findDevice: async (name) => {
        state.asked += 1
        if (state.isAway) throw new StoreError('STORE_UNAVAILABLE', 'away for this test')
        if (state.hangs) return new Promise(() => undefined)
        return store.findDevice(name)
      },
      findDevices: async (names) => {
        state.asked += 1
        if (state.isAway) throw new StoreError('STORE_UNAVAILABLE', 'away for this test')
        return store.findDevices(names)
      },
    },
    1000,
    { now: () => state.nowMs },
  )
  return { devices, state, store, database }
}

const device = { uuid: 'u', deviceId: 'd', secret: 's', isActive: true }

test('what is asked at the same time is asked once, and then remembered', async () => {
  const { devices, state } = await directory()
  expect(await Promise.all([devices.find('u'), devices.find('u')])).toMatchObject([device, device])
  expect(devices.peek('u')).toMatchObject(device)
  await devices.find('u')
  expect(state.asked).toBe(1)
  await devices.refresh('u')
  expect(state.asked).toBe(2)
})

test('an unknown device is asked for again', async () => {
  const { devices, state } = await directory()
  expect(await devices.find('nobody')).toBeUndefined()
  expect(await devices.find('nobody')).toBeUndefined()
  expect(state.asked).toBe(2)
})

test('while the store is away, what was known stays known, and what was not is no “unknown”', async () => {
  const { devices, state } = await directory()
  await devices.find('u')
  state.isAway = true
  state.nowMs += 3_600_000
  expect(await devices.find('u')).toMatchObject(device)
  expect(state.asked).toBe(2)
  expect(await devices.refresh('u')).toMatchObject(device)
  await expect(devices.find('nobody')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
})

test('a store that does not answer is like one that is away', async () => {
  const { devices, state } = await directory()
  await devices.find('u')
  state.hangs = true
  state.nowMs += 3_600_000
  expect(await devices.find('u')).toMatchObject(device)
  expect(devices.peek('u')).toMatchObject(device)
})

test('a change is noticed within a minute', async () => {
  const { devices, state, database } = await directory()
  await devices.find('u')
  await database.query("UPDATE device_main SET is_active = 0 WHERE uuid = 'u'")
  state.nowMs += 60_000
  expect(devices.peek('u')).toBeUndefined()
  expect(await devices.find('u')).toMatchObject({ isActive: false })
})

test('a device that was just added is known', async () => {
  const { devices, state } = await directory()
  const added = await devices.add({ uuid: 'u2', deviceId: 'd2', name: 'n', secret: 's' })
  expect(devices.peek('u2')).toBe(added)
  expect(devices.peek('d2')).toBe(added)
  expect(state.asked).toBe(0)
})

test('devices that are looked at all at once are remembered as the store has them now', async () => {
  const { devices, state, store } = await directory()
  const [one, two] = [
    await devices.find('u'),
    await devices.add({ uuid: 'u2', deviceId: 'd2', name: 'n', secret: 's' }),
  ]
  if (one === undefined) throw new Error('the device is there')
  await store.setSecret(one.id, 'new')
  state.asked = 0
  const found = await devices.refreshAll([one, two])
  expect(found).toEqual(
    new Map([
      ['u', { ...one, secret: 'new' }],
      ['u2', two],
    ]),
  )
  for (const name of ['u', 'd']) expect(await devices.find(name)).toEqual({ ...one, secret: 'new' })
  expect(await devices.find('d2')).toEqual(two)
  expect(state.asked).toBe(1)
})

test('a device that is gone when all are looked at is forgotten under both names', async () => {
  const { devices, store } = await directory()
  const one = await devices.find('u')
  if (one === undefined) throw new Error('the device is there')
  await devices.find('d')
  await store.removeDevice(one.id)
  expect(devices.peek('u')).toBeDefined()
  expect(await devices.refreshAll([one])).toEqual(new Map())
  expect([devices.peek('u'), devices.peek('d')]).toEqual([undefined, undefined])
})

test('a device that has another device_id when all are looked at is forgotten under the old one', async () => {
  const { devices, database } = await directory()
  const one = await devices.find('u')
  if (one === undefined) throw new Error('the device is there')
  await devices.find('d')
  await database.query("UPDATE device_main SET device_id = 'renamed' WHERE uuid = 'u'")
  expect((await devices.refreshAll([one])).get('u')).toEqual({ ...one, deviceId: 'renamed' })
  expect(devices.peek('u')).toEqual({ ...one, deviceId: 'renamed' })
  expect(devices.peek('d')).toBe(undefined)
})

test('more devices than one statement takes are looked at in several', async () => {
  const { devices, state, store } = await directory()
  const known = await Promise.all(
    Array.from({ length: 501 }, (_, index) =>
      store.addDevice({ uuid: `uuid ${index}`, deviceId: `id ${index}`, name: 'n', secret: 's' }),
    ),
  )
  const found = await devices.refreshAll(known)
  expect(state.asked).toBe(2)
  expect([...found.values()]).toEqual(known)
  expect(await devices.refreshAll([])).toEqual(new Map())
  expect(state.asked).toBe(2)
})

test('while the store is away nothing is said of all, and what was known stays known', async () => {
  const { devices, state } = await directory()
  const one = await devices.find('u')
  if (one === undefined) throw new Error('the device is there')
  state.isAway = true
  await expect(devices.refreshAll([one])).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
  expect(devices.peek('u')).toEqual(one)
})
