import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from '../log/logger.js'
import { createRateLimit } from '../log/rate-limit.js'
import type { Device } from '../store/device.js'
import { deviceOf, type Identity } from './identity.js'

/** What a watch needs of the rest. */
export interface DeviceWatchParts {
  readonly devices: { refreshAll(known: readonly Device[]): Promise<ReadonlyMap<string, Device>> }
  readonly clients: {
    identities(): readonly Identity[]
    review(judge: (identity: Identity) => Identity | undefined): Promise<void>
  }
  readonly log: Logger
  /** How long it rests between two looks; 10 s unless told otherwise. */
  readonly lookEveryMs?: number
}

/** The stop of a watch. */
export interface DeviceWatch {
  stop(): Promise<void>
}

/** A disabled device is to be out within a minute; 10,000 devices cost twenty statements each time. */
const LOOK_EVERY_MS = 10_000
const MINUTE_MS = 60_000

/**
 * Looks again and again at the devices that are connected, and ends the connection of one that was disabled,
 * removed or given another secret or name meanwhile. While the store is away everyone stays.
 */
export function startDeviceWatch(parts: DeviceWatchParts): DeviceWatch {
  const { devices, clients, log, lookEveryMs = LOOK_EVERY_MS } = parts
  const stopping = new AbortController()
  const limit = createRateLimit(MINUTE_MS, 1)

  const look = async (): Promise<void> => {
    const known = new Map<string, Device>()
    for (const identity of clients.identities()) {
      const device = deviceOf(identity.credential)
      if (device !== undefined) known.set(device.uuid, device)
    }
    if (known.size === 0) return
    const found = await devices.refreshAll([...known.values()])
    const hasChanged = (identity: Identity): boolean => {
      const device = deviceOf(identity.credential)
      // Who has come since was looked up by its login.
      if (device === undefined || !known.has(device.uuid)) return false
      return !isStill(identity, found.get(device.uuid))
    }
    if (!clients.identities().some(hasChanged)) return
    await clients.review((identity) => (hasChanged(identity) ? undefined : identity))
  }

  const run = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      await delay(lookEveryMs, undefined, { signal: stopping.signal }).catch(() => undefined)
      if (stopping.signal.aborted) return
      await look().catch((error: unknown) => {
        if (limit.admit('look') === undefined) return
        log.warn({ error: String(error) }, 'cannot look whether connected devices are still active')
      })
    }
  }

  const ended = run()
  return {
    async stop() {
      stopping.abort()
      await ended
    },
  }
}

/** Whether a login rests on what the store still has. Its names say whose topics are its own. */
function isStill({ credential }: Identity, now: Device | undefined): boolean {
  const before = deviceOf(credential)
  if (before === undefined) return true
  const isSame = now?.isActive === true && now.id === before.id && now.deviceId === before.deviceId
  return isSame && (credential.kind === 'certificate' || now.secret === before.secret)
}
