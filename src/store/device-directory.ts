import { setTimeout as delay } from 'node:timers/promises'
import { createLru } from '../cache/lru.js'
import type { Device, NewDevice } from './device.js'
import { createDeviceLookup } from './device-lookup.js'
import type { Store } from './store.js'

/** Devices by `uuid` or `device_id`, remembered for a short while. */
export interface DeviceDirectory {
  /** What is remembered, without waiting. */
  peek(name: string): Device | undefined
  /** The device of that name, from memory or from the store. Rejects with a `StoreError`. */
  find(name: string): Promise<Device | undefined>
  /** The same, from the store in any case. */
  refresh(name: string): Promise<Device | undefined>
  /** Devices by `uuid` as the store has them now; those that it no longer has are forgotten. */
  refreshAll(known: readonly Device[]): Promise<ReadonlyMap<string, Device>>
  /** Adds a device and remembers it. Rejects with a `StoreError`. */
  add(device: NewDevice): Promise<Device>
}

/** A disabled device or a changed secret is noticed within this time. */
const FRESH_FOR_MS = 30_000

/** A database that hangs is away as well; a look-up takes some milliseconds. */
const ANSWER_WITHIN_MS = 1000

/** Names in one statement: a few milliseconds of the database. */
const REFRESH_AT_ONCE = 500

/**
 * Remembers at most `maxDevices` names. While the store is away, what was known stays known, so that
 * devices can go on reporting (guarantee 2).
 */
export function createDeviceDirectory(
  store: Pick<Store, 'findDevice' | 'findDevices' | 'addDevice'>,
  maxDevices: number,
  clock: { now(): number } = performance,
): DeviceDirectory {
  const lookUp = createDeviceLookup(store)
  const cache = createLru<string, Device>(maxDevices, {
    ttl: FRESH_FOR_MS,
    ttlResolution: 0,
    perf: clock,
    noDeleteOnStaleGet: true,
    async fetchMethod(name, remembered) {
      const found = lookUp(name)
      if (remembered === undefined) return found
      return firstOf(
        found.catch(() => remembered),
        remembered,
      )
    },
  })
  return {
    peek: (name) => cache.get(name),
    find: (name) => cache.fetch(name),
    refresh: (name) => cache.fetch(name, { forceRefresh: true }),
    async refreshAll(known) {
      const devices = new Map<string, Device>()
      for (let from = 0; from < known.length; from += REFRESH_AT_ONCE) {
        const some = known.slice(from, from + REFRESH_AT_ONCE)
        const found = await store.findDevices(some.map(({ uuid }) => uuid))
        for (const before of some) {
          const now = found.get(before.uuid)
          if (now !== undefined) devices.set(now.uuid, now)
          for (const name of [before.uuid, before.deviceId]) {
            if (now?.uuid === name || now?.deviceId === name) cache.set(name, now)
            else cache.delete(name)
          }
        }
      }
      return devices
    },
    async add(device) {
      const added = await store.addDevice(device)
      cache.set(added.uuid, added)
      cache.set(added.deviceId, added)
      return added
    },
  }
}

async function firstOf(found: Promise<Device | undefined>, remembered: Device): Promise<Device | undefined> {
  const answered = new AbortController()
  const late = delay(ANSWER_WITHIN_MS, remembered, { signal: answered.signal }).catch(() => remembered)
  try {
    return await Promise.race([found, late])
  } finally {
    answered.abort()
  }
}
