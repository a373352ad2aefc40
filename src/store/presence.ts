/** Whether a device is there, as whoever has its connection knows it; `deviceId` is `device_main.id`. */
export interface PresenceChange {
  readonly deviceId: number
  readonly isOnline: boolean
  /** When that was known, epoch ms. */
  readonly atMs: number
}

/**
 * `last_seen` further ahead than this comes from a clock that was wrong, and counts as past. Instances whose
 * clocks differ by less believe each other.
 */
const CLOCKS_DIFFER_MS = 60_000

/** From when on a `last_seen` is not believed. */
export function tooFarAheadMs(nowMs: number): number {
  return nowMs + CLOCKS_DIFFER_MS
}

/**
 * `id, last_seen, is_online`, in the order of the ids: two statements that lock rows in one order wait for
 * each other, and never end in a deadlock.
 */
export function presenceRows(
  changes: readonly PresenceChange[],
  dateTime: (timeMs: number) => string,
): [id: number, seen: string, online: number][] {
  return changes
    .map(({ deviceId, isOnline, atMs }): [number, string, number] => [
      deviceId,
      dateTime(atMs),
      isOnline ? 1 : 0,
    ])
    .sort(([one], [other]) => one - other)
}
