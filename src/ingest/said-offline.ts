import { createLru } from '../cache/lru.js'
import type { PresenceChange } from '../store/presence.js'
import type { Accepted } from './accepted.js'

/**
 * Which devices have said that they are offline, and when. The connection on which they said it makes them
 * online, is written later, and `last_seen` has whole seconds: too few to tell which of the two came first.
 */
export interface SaidOffline {
  /** Remembers what the messages of a batch say, from before they are written. */
  note(batch: readonly Accepted[]): void
  /** Whether a device has said that it is offline since it was known to be there. */
  contradicts(change: PresenceChange): boolean
}

/** A second of many; one that falls out is online until its connection has ended. */
const MAX_DEVICES = 20_000

/** Nobody has said anything yet. */
export function createSaidOffline(): SaidOffline {
  const saidAtMs = createLru<number, number>(MAX_DEVICES)
  return {
    note(batch) {
      for (const { device, report, receivedAtMs } of batch) {
        if (!report.isOnline) saidAtMs.set(device.id, receivedAtMs)
      }
    },
    contradicts: ({ deviceId, isOnline, atMs }) => isOnline && (saidAtMs.get(deviceId) ?? -Infinity) >= atMs,
  }
}
