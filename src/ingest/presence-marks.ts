import { createLru } from '../cache/lru.js'
import type { Batch, DeviceChange } from '../store/batch.js'
import type { PresenceChange } from '../store/presence.js'

/**
 * Which devices came and went while older messages of theirs wait in the spool: those say that their device is
 * online, and are told otherwise by these marks. To leave does not set `last_seen`, by which the database would
 * know.
 */
export interface PresenceMarks {
  /** Remembers changes, from before they are written. */
  note(changes: readonly PresenceChange[]): void
  /** A batch from the spool as it is to be written. */
  apply(batch: Batch): Batch
  clear(): void
}

/** Some megabytes. A device that falls out can be shown online for `OFFLINE_AFTER_S`. */
const MAX_DEVICES = 20_000

/** Marks of nothing yet. */
export function createPresenceMarks(): PresenceMarks {
  const marks = createLru<number, PresenceChange>(MAX_DEVICES)

  const marked = (change: DeviceChange): DeviceChange => {
    const mark = marks.get(change.deviceId)
    // A device's last message may be of the very millisecond in which its connection ended.
    if (mark === undefined || mark.atMs < change.seenAtMs) return change
    return { ...change, isOnline: mark.isOnline }
  }

  return {
    note(changes) {
      for (const change of changes) {
        const before = marks.get(change.deviceId)
        if (before === undefined || change.atMs >= before.atMs) marks.set(change.deviceId, change)
      }
    },
    apply: (batch) => ({ ...batch, devices: batch.devices.map(marked) }),
    clear: () => marks.clear(),
  }
}
