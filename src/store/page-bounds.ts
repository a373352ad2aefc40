import type { BucketRange, BucketStep } from './batch.js'
import type { DevicePage, DeviceSummary } from './device.js'

/** Rows of `device_main` that one page looks at: some milliseconds of either database. */
export const DEVICES_LOOKED_AT = 2000

/** Readings that one step sums up: 10 to 20 ms of either database, in which SQLite, on its one thread, writes nothing. */
export const READINGS_IN_STEP = 10_000

/**
 * What readings are divided by before their mean is taken, so that the sum of a step's readings is a number even
 * of the greatest; a power of two, which costs no digit.
 */
export const MEAN_SCALE = 65_536

/** A row of the statement that sums up a step. */
export interface BucketRow {
  /** Counted from `originMs`. */
  readonly bucket: number
  readonly count: number
  readonly min: number
  readonly max: number
  /** The mean of the values divided by `MEAN_SCALE`. */
  readonly scaledMean: number
  /** The same in every row: how many readings the step has met, and the times of the first and the last. */
  readonly met: number
  readonly firstMs: number
  readonly lastMs: number
}

/**
 * A full step leaves out the readings of its last millisecond, for it may not have met all of them, and the next
 * one begins there.
 */
export function bucketStep({ originMs, bucketMs }: BucketRange, rows: readonly BucketRow[]): BucketStep {
  const buckets = rows.map(({ bucket, count, min, max, scaledMean }) => {
    const mean = Math.min(max, Math.max(min, scaledMean * MEAN_SCALE)) // rounding may have carried it beyond
    return { fromMs: originMs + bucket * bucketMs, count, min, max, mean }
  })
  const [row] = rows
  if (row === undefined || row.met < READINGS_IN_STEP) return { buckets }
  return { buckets, nextMs: row.firstMs === row.lastMs ? row.lastMs + 1 : row.lastMs }
}

/** `found` is what of the rows up to `lastId` fits; `lastId` is `undefined` where the table ends before the bound. */
export function devicePage(
  found: readonly DeviceSummary[],
  limit: number,
  lastId: number | undefined,
): DevicePage {
  const nextAfterId = found.length < limit ? lastId : found.at(-1)?.id
  return nextAfterId === undefined ? { devices: found } : { devices: found, nextAfterId }
}
