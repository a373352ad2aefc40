import { LRUCache } from 'lru-cache'
import type { Device, NewDevice } from './device.js'
import type { Store } from './store.js'

/** Devices by `uuid` or `device_id`, remembered for a short while. */
export interface DeviceDirectory {
  /** What is remembered, without waiting. */
  peek(name: string): Device | undefined
  /** The device of that name, from memory or from the store. Rejects with a `StoreError`. */
  find(name: string): Promise<Device | undefined>
  /** The same, from the store in any case. */
  refresh(name: string): Promise<Device | undefined>
  /** Adds a device and remembers it. Rejects with a `StoreError`. */
  add(device: NewDevice): Promise<Device>
}

/** A disabled device or a changed secret is noticed within this time. */
const FRESH_FOR_MS = 30_000

/**
 * Remembers at most `maxDevices` names. While the store is away, what was known stays known, so that
 * devices can go on reporting (guarantee 2).
 */
export function createDeviceDirectory(
  store: Pick<Store, 'findDevice' | 'addDevice'>,
  maxDevices: number,
  clock: { now(): number } = performance,
): DeviceDirectory {
  const cache = new LRUCache<string, Device>({
    max: maxDevices,
    ttl: FRESH_FOR_MS,
    ttlResolution: 0,
    perf: clock,
    noDeleteOnStaleGet: true,
    async fetchMethod(name, remembered) {
      try {
        return await store.findDevice(name)
      } catch (error) {
        if (remembered === undefined) throw error
        return remembered
      }
    },
  })
  return {
    peek: (name) => cache.get(name),
    find: (name) => cache.fetch(name),
    refresh: (name) => cache.fetch(name, { forceRefresh: true }),
    async add(device) {
      const added = await store.addDevice(device)
      cache.set(added.uuid, added)
      cache.set(added.deviceId, added)
      return added
    },
  }
}
