import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { createDeviceResolver } from '#src/ingest/device-resolver.js'
import { createDeviceDirectory } from '#src/store/device-directory.js'
import type { Store } from '#src/store/store.js'
import { StoreError } from '#src/store/store-error.js'
import { emptyDatabase, type TestDatabase } from '../support/store-databases.js'

describe.each(['mysql', 'sqlite'] as const)('with %s', (kind) => {
  let database: TestDatabase
  let store: Store
  const known = {
    uuid: 'b9d1b0ce-6d3f-4d7a-8a36-3f8f6f6d0a01',
    deviceId: 'Known-1',
    name: 'one',
    secret: 's',
  }

  beforeAll(async () => {
    database = await emptyDatabase(kind, inject('mariadbPort'))
    store = await database.open()
    await store.addDevice(known)
  })
  afterAll(async () => {
    await store.close()
    await database.remove()
  })

  const resolver = (unknownDevices: 'register' | 'reject', { signal } = new AbortController()) =>
    createDeviceResolver({ directory: createDeviceDirectory(store, 100), unknownDevices, signal })

  test('a device is found by uuid and by device_id, and known without waiting from then on', async () => {
    const devices = resolver('reject')
    expect(devices.peek(known.uuid)).toBeUndefined()
    expect(await devices.resolve(known.uuid)).toMatchObject({ deviceId: 'Known-1' })
    expect(await devices.resolve('Known-1')).toMatchObject({ uuid: known.uuid })
    expect(devices.peek(known.uuid)).toMatchObject({ deviceId: 'Known-1' })
  })

  test('an unknown device is rejected, or registered under the name it has in the topic', async () => {
    expect(await resolver('reject').resolve('new-1')).toBe('unknown-device')
    expect(await resolver('register').resolve('new-1')).toMatchObject({ deviceId: 'new-1' })
    const uuid = '0c6c3f4e-54a0-4f3b-9a3c-7d1c6b1f2e11'
    expect(await resolver('register').resolve(uuid)).toMatchObject({ uuid, deviceId: uuid })
  })

  test('messages that come together register a device once', async () => {
    const devices = resolver('register')
    const found = await Promise.all([1, 2, 3].map(() => devices.resolve('together')))
    expect(new Set(found).size).toBe(1)
  })

  test.each(['', ' ', '-dash', 'a b', 'né', '$SYS', 'x'.repeat(51), "a'b", '../etc'])(
    'nothing is registered under the name %j',
    async (name) => {
      expect(await resolver('register').resolve(name)).toBe('bad-device-name')
    },
  )

  test('two servers that register a device at the same time agree on one', async () => {
    const found = await Promise.all([
      resolver('register').resolve('raced'),
      resolver('register').resolve('raced'),
    ])
    const ids = found.map((device) => (typeof device === 'string' ? device : device.id))
    expect(ids[0]).toBe(ids[1])
    expect(ids[0]).toBeTypeOf('number')
  })

  test('a look-up waits for a store that is away, and gives up when the server stops', async () => {
    let isAway = true
    const findDevice: Store['findDevice'] = async (name) => {
      if (isAway) throw new StoreError('STORE_UNAVAILABLE', 'away for this test')
      return store.findDevice(name)
    }
    const stopping = new AbortController()
    const devices = createDeviceResolver({
      directory: createDeviceDirectory({ ...store, findDevice }, 100),
      unknownDevices: 'reject',
      signal: stopping.signal,
    })
    const found = devices.resolve('Known-1')
    isAway = false
    expect(await found).toMatchObject({ deviceId: 'Known-1' })
    isAway = true
    const never = devices.resolve('someone')
    stopping.abort()
    await expect(never).rejects.toThrow()
  })
})
