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
    },
    10,
    { now: () => state.nowMs },
  )
  return { devices, state, database }
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
