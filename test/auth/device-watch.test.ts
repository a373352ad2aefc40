import { pino } from 'pino'
import { describe, expect, it, onTestFinished } from 'vitest'
import { noAccess } from '#src/auth/access.js'
import { startDeviceWatch } from '#src/auth/device-watch.js'
import type { Credential, Identity } from '#src/auth/identity.js'
import type { Device } from '#src/store/device.js'
import { createDeviceDirectory } from '#src/store/device-directory.js'
import { StoreError } from '#src/store/store-error.js'
import { addAnyDevice } from '../support/batches.js'
import { createSignal } from '../support/signal.js'
import { emptyDatabase } from '../support/store-databases.js'

const secret = (device: Device): Credential => ({ kind: 'secret', device })
const certificate = (device: Device | undefined): Credential => ({ kind: 'certificate', device })

function identityOf(clientId: string, credential: Credential): Identity {
  return { user: clientId, clientId, owner: clientId, credential, access: noAccess }
}

/**
 * A watch on clients that stand for connections, over a real database. Connected clients stay in `clients`
 * until they are judged out.
 */
async function watched() {
  const database = await emptyDatabase('sqlite', 0)
  const store = await database.open()
  const lines: string[] = []
  const state = { isAway: false, looks: 0, passes: 0, beforeLook: (): void => undefined }
  let looked = createSignal()
  const directory = createDeviceDirectory(
    {
      ...store,
      async findDevices(names) {
        state.looks += 1
        state.beforeLook()
        if (state.isAway) throw new StoreError('STORE_UNAVAILABLE', 'away for this test')
        return store.findDevices(names)
      },
    },
    1000,
  )
  const clients = new Map<string, Identity>()
  const watch = startDeviceWatch({
    devices: directory,
    clients: {
      identities() {
        state.passes += 1
        looked.give()
        looked = createSignal()
        return [...clients.values()]
      },
      async review(judge) {
        for (const [name, identity] of clients) {
          if (judge(identity) === undefined) clients.delete(name)
        }
      },
    },
    log: pino({ base: null }, { write: (line: string) => void lines.push(line) }),
    lookEveryMs: 1,
  })
  onTestFinished(async () => {
    await watch.stop()
    await store.close()
    await database.remove()
  })
  return {
    store,
    database,
    state,
    lines,
    watch,
    clients,
    connect(name: string, credential: Credential) {
      clients.set(name, identityOf(name, credential))
    },
    /** Resolves when a look has begun and ended; in each the watch asks once or twice who is there. */
    async look() {
      for (const before = state.passes; state.passes < before + 4; ) await looked.given
    },
  }
}

describe('A device that is connected', () => {
  it('is out when it is disabled, removed or given another secret or name; every other stays', async () => {
    const { store, database, connect, look, clients } = await watched()
    const devices = new Map<string, Device>()
    for (const name of ['disabled', 'removed', 'rotated', 'renamed', 'unchanged']) {
      const device = await addAnyDevice(store)
      devices.set(name, device)
      connect(name, secret(device))
    }
    await look()
    expect([...clients.keys()]).toEqual([...devices.keys()])
    const idOf = (name: string): number => devices.get(name)?.id ?? 0
    await database.query(`UPDATE device_main SET is_active = 0 WHERE id = ${idOf('disabled')}`)
    await store.removeDevice(idOf('removed'))
    await store.setSecret(idOf('rotated'), 'new')
    await database.query(`UPDATE device_main SET device_id = 'new' WHERE id = ${idOf('renamed')}`)
    await look()
    expect([...clients.keys()]).toEqual(['unchanged'])
  })

  it('is out when it was made anew under its old name', async () => {
    const { store, connect, look, clients } = await watched()
    const device = await addAnyDevice(store)
    await store.removeDevice(device.id)
    await store.addDevice({ ...device, name: 'again' })
    connect('by secret', secret(device))
    connect('by certificate', certificate(device))
    await look()
    expect([...clients.keys()]).toEqual([])
  })

  it('by a certificate is out when it is disabled or renamed, and not when its secret changes', async () => {
    const { store, database, connect, look, clients } = await watched()
    const [rotated, disabled] = [await addAnyDevice(store), await addAnyDevice(store)]
    const renamed = await addAnyDevice(store)
    connect('rotated', certificate(rotated))
    connect('disabled', certificate(disabled))
    connect('renamed', certificate(renamed))
    await store.setSecret(rotated.id, 'new')
    await database.query(`UPDATE device_main SET is_active = 0 WHERE id = ${disabled.id}`)
    await database.query(`UPDATE device_main SET device_id = 'new' WHERE id = ${renamed.id}`)
    await look()
    expect([...clients.keys()]).toEqual(['rotated'])
  })

  it('stays while the store is away, which the log says once, and is looked at when it is back', async () => {
    const { store, state, connect, look, clients, lines } = await watched()
    const device = await addAnyDevice(store)
    state.isAway = true
    await store.removeDevice(device.id)
    connect('removed', secret(device))
    await look()
    await look()
    expect([...clients.keys()]).toEqual(['removed'])
    expect(lines).toHaveLength(1)
    expect(lines[0]).toContain('STORE_UNAVAILABLE')
    state.isAway = false
    await look()
    expect([...clients.keys()]).toEqual([])
  })
})

describe('The watch on devices', () => {
  it('leaves users, certificates of nobody and anonymous clients alone', async () => {
    const { store, connect, look, clients } = await watched()
    connect('user', { kind: 'password', hash: 'any' })
    connect('certified', certificate(undefined))
    connect('anonymous', { kind: 'none' })
    const device = await addAnyDevice(store)
    connect('device', secret(device))
    await store.removeDevice(device.id)
    await look()
    expect([...clients.keys()]).toEqual(['user', 'certified', 'anonymous'])
  })

  it('asks the store nothing while no device is connected', async () => {
    const { state, connect, look } = await watched()
    connect('user', { kind: 'password', hash: 'any' })
    await look()
    expect(state.looks).toBe(0)
  })

  it('leaves a device alone that comes while the store is asked about others', async () => {
    const { store, state, connect, look, clients } = await watched()
    const [removed, late] = [await addAnyDevice(store), await addAnyDevice(store)]
    await store.removeDevice(removed.id)
    state.beforeLook = () => connect('late', secret(late))
    connect('removed', secret(removed))
    await look()
    expect([...clients.keys()]).toEqual(['late'])
  })

  it('looks no more when it is stopped', async () => {
    const { store, state, connect, look, watch } = await watched()
    connect('device', secret(await addAnyDevice(store)))
    await look()
    await watch.stop()
    const { passes } = state
    for (let turn = 0; turn < 10; turn++) await store.ping()
    expect(state.passes).toBe(passes)
  })
})
