import { randomBytes, randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { Device } from '../store/device.js'
import type { DeviceDirectory } from '../store/device-directory.js'
import { StoreError } from '../store/store-error.js'

/** The device of a topic, or why there is none. */
export type Resolved = Device | 'unknown-device' | 'bad-device-name'

/** Finds, and where that is allowed registers, the devices that topics name. */
export interface DeviceResolver {
  /** The answer, where it is known without waiting. */
  peek(name: string): Device | undefined
  /** The answer; waits while the store is away, and rejects only when `signal` is aborted. */
  resolve(name: string): Promise<Resolved>
}

/** How the resolver is to work. */
export interface DeviceResolverOptions {
  readonly directory: DeviceDirectory
  readonly unknownDevices: 'register' | 'reject'
  readonly signal: AbortSignal
}

/** A name that one may publish to, type and print: no wildcard, space or control character; it fits `device_id`. */
const REGISTRABLE = /^[A-Za-z0-9][A-Za-z0-9_.:-]{0,49}$/
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

const RETRY_MS = 500

/** Messages for one name share one look-up, and are answered in their order. */
export function createDeviceResolver(options: DeviceResolverOptions): DeviceResolver {
  const { directory, signal } = options
  const pending = new Map<string, Promise<Resolved>>()

  const look = async (name: string): Promise<Resolved> => {
    const known = await untilAvailable(() => directory.find(name), signal)
    if (known !== undefined) return known
    if (options.unknownDevices === 'reject') return 'unknown-device'
    if (!REGISTRABLE.test(name)) return 'bad-device-name'
    return untilAvailable(() => register(name), signal)
  }

  const register = async (name: string): Promise<Resolved> => {
    try {
      return await directory.add({
        uuid: UUID.test(name) ? name : randomUUID(),
        deviceId: name,
        name,
        secret: randomBytes(16).toString('hex'),
      })
    } catch (error) {
      if (!(error instanceof StoreError && error.code === 'STORE_CONFLICT')) throw error
      // Another instance was first; or a device's name differs from this one in case only, which is no match.
      return (await directory.refresh(name)) ?? 'unknown-device'
    }
  }

  return {
    peek: (name) => directory.peek(name),
    resolve(name) {
      const known = pending.get(name)
      if (known !== undefined) return known
      const resolved = look(name).finally(() => pending.delete(name))
      pending.set(name, resolved)
      return resolved
    },
  }
}

async function untilAvailable<T>(attempt: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      if (!(error instanceof StoreError && error.code === 'STORE_UNAVAILABLE')) throw error
      await delay(RETRY_MS, undefined, { signal })
    }
  }
}
