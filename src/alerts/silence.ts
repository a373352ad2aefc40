import { createLru } from '../cache/lru.js'
import type { PeerDevice } from '../metrics/peer-events.js'
import type { Measured } from './alert.js'

/** What the database has of a device; `gone`: it was removed or disabled. */
export type DeviceState = 'online' | 'offline' | 'gone'

/** Which devices have fallen silent. */
export interface Silence {
  /** A connection of the device's own has begun, or ended. */
  began(device: PeerDevice): void
  ended(device: PeerDevice): void
  heard(device: PeerDevice): void
  /** A device that the run of the server before has missed, and told of so long ago. */
  missed(device: PeerDevice, forMs: number): void
  /** The seconds of silence of those who have been silent for too long. */
  measure(nowMs: number): Measured[]
}

/** How silence is told. */
export interface SilenceOptions {
  readonly silentAfterMs: number
  /** How long an answer of the database is taken to be true. */
  readonly askAgainAfterMs: number
  readonly maxDevices: number
  /** Asks the database, which knows what other instances hear. May reject. */
  readonly stateOf: (device: PeerDevice) => Promise<DeviceState>
  readonly now: () => number
}

interface Entry {
  readonly device: PeerDevice
  open: number
  lastMs: number
  isMissed: boolean
  askAtMs: number
}

/** Each is a look-up of a millisecond or so. */
const ASKED_AT_ONCE = 20

/**
 * Knows the devices that this process has heard, at most so many of them. One that has a connection of its own is
 * not silent: it answers within its keep alive, whether it has something to report or not.
 */
export function createSilence(options: SilenceOptions): Silence {
  const { silentAfterMs, now } = options
  const entries = createLru<number, Entry>(options.maxDevices)
  let asking = 0

  const alive = (device: PeerDevice): Entry => {
    let entry = entries.get(device.id)
    if (entry === undefined) {
      entry = { device, open: 0, lastMs: 0, isMissed: false, askAtMs: 0 }
      entries.set(device.id, entry)
    }
    entry.lastMs = now()
    entry.isMissed = false
    entry.askAtMs = 0
    return entry
  }

  const ask = async (entry: Entry): Promise<void> => {
    const askedAtMs = now()
    entry.askAtMs = askedAtMs + options.askAgainAfterMs
    asking += 1
    // While the database is away, what is known here has to do.
    const state = await options.stateOf(entry.device).catch((): DeviceState => 'offline')
    asking -= 1
    if (entry.lastMs > askedAtMs) return
    if (state === 'gone') entries.delete(entry.device.id)
    entry.isMissed = state === 'offline'
  }

  return {
    began(device) {
      alive(device).open += 1
    },
    ended(device) {
      const entry = alive(device)
      entry.open = Math.max(0, entry.open - 1)
    },
    heard(device) {
      alive(device)
    },
    missed(device, forMs) {
      const lastMs = now() - silentAfterMs - Math.max(1, forMs)
      entries.set(device.id, { device, open: 0, lastMs, isMissed: true, askAtMs: 0 })
    },
    measure(nowMs) {
      const measured: Measured[] = []
      for (const id of entries.rkeys()) {
        const entry = entries.peek(id)
        if (entry === undefined) continue
        const silentMs = nowMs - entry.lastMs
        if (entry.open > 0 || silentMs <= silentAfterMs) continue
        if (entry.askAtMs <= nowMs && asking < ASKED_AT_ONCE) void ask(entry)
        if (!entry.isMissed) continue
        const subject = { kind: 'device', device_id: entry.device.deviceId } as const
        measured.push({ key: `${id}`, subject, value: silentMs / 1000 })
      }
      return measured
    },
  }
}
