/** A clock that is set shows no earlier time than the year of this release; a Raspberry Pi may begin in 1970. */
const EARLIEST_MS = Date.UTC(2026, 0, 1)

/** A clock that is not set is taken to be this far behind at the most. */
const LONGEST_BEHIND_MS = 20 * 365 * 86_400_000

/** Whether an epoch time, ms, is what a clock shows that nobody has set yet. */
export function isUnset(timeMs: number): boolean {
  return timeMs < EARLIEST_MS
}

/** The same time, or, of a clock that is not set, the earliest that it can be. */
export function atEarliest(timeMs: number): number {
  return Math.max(timeMs, EARLIEST_MS)
}

/** The latest time that it can be while a clock shows `timeMs`, and is ahead by `aheadMs` at the most. */
export function atLatest(timeMs: number, aheadMs: number): number {
  return isUnset(timeMs) ? EARLIEST_MS + LONGEST_BEHIND_MS : timeMs + aheadMs
}

/**
 * Epoch ms by the clock as it was when the process started, and what has passed since: it measures how long
 * something is ago, whatever has been done to the clock meanwhile.
 */
export function steadyNow(): number {
  return performance.timeOrigin + performance.now()
}
