/** Tells whether more than a number of things a second happened lately. */
export interface LoadMeter {
  /** Counts `count` of them now, and returns whether the last whole second, or this one already, had too many. */
  note(count: number): boolean
}

const SECOND_MS = 1000

/** Counts by the second of a clock that nobody sets. */
export function createLoadMeter(tooMany: number): LoadMeter {
  let second = 0
  let current = 0
  let last = 0
  return {
    note(count) {
      const now = Math.floor(performance.now() / SECOND_MS)
      if (now !== second) {
        last = now === second + 1 ? current : 0
        current = 0
        second = now
      }
      current += count
      return Math.max(last, current) >= tooMany
    },
  }
}
