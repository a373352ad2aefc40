/** How often a value was within which bounds. */
export interface Histogram {
  /** Upper bounds, ascending; a value that is equal to one is within it. */
  readonly bounds: readonly number[]
  /** How many were within each bound and above the one before; the last: above all. */
  readonly counts: readonly number[]
  readonly sum: number
  observe(value: number): void
}

/** A histogram of nothing yet. An observation costs a few comparisons, as some are made for every message. */
export function createHistogram(bounds: readonly number[]): Histogram {
  const counts = Array.from({ length: bounds.length + 1 }, () => 0)
  let sum = 0
  return {
    bounds,
    counts,
    get sum() {
      return sum
    },
    observe(value) {
      let index = 0
      while (index < bounds.length && value > (bounds[index] ?? 0)) index += 1
      counts[index] = (counts[index] ?? 0) + 1
      sum += value
    },
  }
}
