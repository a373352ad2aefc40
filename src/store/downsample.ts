import type { BucketRange, HistoryBucket } from './batch.js'
import type { Store } from './store.js'

/** The readings that are asked for. */
export interface DownsampleRange extends Pick<BucketRange, 'deviceId' | 'sensor' | 'fromMs' | 'toMs'> {
  /** How many buckets there may be. */
  readonly points: number
}

/** Buckets that have readings, by time, and how long each lasts. */
export interface Downsampled {
  readonly bucketMs: number
  readonly buckets: readonly HistoryBucket[]
}

/**
 * Sums up a range step by step; other calls of the store come in between. `beforeStep` may throw, which ends it.
 * Rejects with that, or with a `StoreError`.
 */
export async function downsample(
  store: Pick<Store, 'historyOf'>,
  { points, ...range }: DownsampleRange,
  beforeStep: () => void,
): Promise<Downsampled> {
  const { fromMs: originMs } = range
  const bucketMs = Math.max(1, Math.ceil((range.toMs - originMs) / points))
  const buckets: HistoryBucket[] = []
  let fromMs: number | undefined = originMs
  while (fromMs !== undefined && fromMs < range.toMs) {
    beforeStep()
    const step = await store.historyOf({ ...range, fromMs, originMs, bucketMs })
    for (const bucket of step.buckets) {
      const last = buckets.at(-1)
      if (last?.fromMs === bucket.fromMs) buckets[buckets.length - 1] = join(last, bucket)
      else buckets.push(bucket)
    }
    fromMs = step.nextMs
  }
  return { bucketMs, buckets }
}

function join(one: HistoryBucket, other: HistoryBucket): HistoryBucket {
  const count = one.count + other.count
  return {
    fromMs: one.fromMs,
    count,
    min: Math.min(one.min, other.min),
    max: Math.max(one.max, other.max),
    mean: one.mean * (one.count / count) + other.mean * (other.count / count),
  }
}
