/** Something that waits to be written with others, and is told how it ended. */
export interface Batchable {
  /** Everything with the same key is written in the order of its arrival. */
  readonly key: number
  readonly bytes: number
}

/** Bounds of a batcher; every one is at least 1, but for `flushAfterMs`. */
export interface BatcherOptions<T> {
  /** Writes a batch and settles each item of it. Must not reject. */
  readonly write: (batch: readonly T[]) => Promise<void>
  /** How many batches may be in flight side by side. */
  readonly lanes: number
  /** How long an item may wait for company, ms. */
  readonly flushAfterMs: number
  /** Items in a batch at the most; and bytes, unless a single item has more. */
  readonly maxBatch: number
  readonly maxBatchBytes: number
  /** Items, and bytes, that may wait and be in flight altogether. */
  readonly maxQueued: number
  readonly maxQueuedBytes: number
}

/** Makes an item when there is room for it; `undefined`: it turns out that there is none to be made. */
export type Maker<T> = () => T | undefined

/** Gathers items into batches. */
export interface Batcher<T> {
  /** Takes what `make` gives, if that is anything; or returns `false` and makes nothing: the queue is full. */
  offer(make: Maker<T>): boolean
  /**
   * The same, now or as soon as there is room; those who wait come in first come, first served. Only then is the
   * item made, so that what waits is no larger than what it is made of.
   */
  enqueue(make: Maker<T>, admitted: () => void): void
  /** Takes nothing more, and writes no further batch. What is queued stays unsettled. */
  stop(): void
}

interface Lane<T> {
  items: T[]
  isWriting: boolean
  timer: NodeJS.Timeout | undefined
}

/**
 * Group commit in `lanes` that run side by side. All items of a key share a lane, and a lane writes one
 * batch at a time: so the order of a key holds, and two batches in flight never touch the same key's rows.
 */
export function createBatcher<T extends Batchable>(options: BatcherOptions<T>): Batcher<T> {
  const lanes = Array.from(
    { length: options.lanes },
    (): Lane<T> => ({ items: [], isWriting: false, timer: undefined }),
  )
  const waiting: { readonly make: Maker<T>; readonly admitted: () => void }[] = []
  let queued = 0
  let queuedBytes = 0
  let isStopped = false

  const hasRoom = (): boolean => queued < options.maxQueued && queuedBytes < options.maxQueuedBytes

  const put = (make: Maker<T>): void => {
    const item = make()
    if (item === undefined) return
    queued += 1
    queuedBytes += item.bytes
    const lane = lanes[item.key % lanes.length]
    if (lane === undefined) throw new Error('a batcher has at least one lane')
    lane.items.push(item)
    schedule(lane)
  }

  const schedule = (lane: Lane<T>): void => {
    if (lane.isWriting || lane.items.length === 0 || isStopped) return
    if (lane.items.length >= options.maxBatch) {
      void flush(lane)
      return
    }
    lane.timer ??= setTimeout(() => void flush(lane), options.flushAfterMs)
  }

  const flush = async (lane: Lane<T>): Promise<void> => {
    clearTimeout(lane.timer)
    lane.timer = undefined
    lane.isWriting = true
    const batch = lane.items.splice(0, batchLength(lane.items, options))
    await options.write(batch)
    lane.isWriting = false
    queued -= batch.length
    queuedBytes -= batch.reduce((sum, item) => sum + item.bytes, 0)
    admitWaiting()
    schedule(lane)
  }

  const admitWaiting = (): void => {
    while (waiting.length > 0 && hasRoom()) {
      const next = waiting.shift()
      if (next === undefined) return
      put(next.make)
      next.admitted()
    }
  }

  const offer = (make: Maker<T>): boolean => {
    if (isStopped || waiting.length > 0 || !hasRoom()) return false
    put(make)
    return true
  }

  return {
    offer,
    enqueue(make, admitted) {
      if (offer(make)) admitted()
      else waiting.push({ make, admitted })
    },
    stop() {
      isStopped = true
      for (const lane of lanes) clearTimeout(lane.timer)
    },
  }
}

/** How many items from the front go together. */
function batchLength<T extends Batchable>(
  items: readonly T[],
  { maxBatch, maxBatchBytes }: Pick<BatcherOptions<T>, 'maxBatch' | 'maxBatchBytes'>,
): number {
  let bytes = 0
  const tooMany = items.findIndex((item, index) => {
    bytes += item.bytes
    return index === maxBatch || (index > 0 && bytes > maxBatchBytes)
  })
  return tooMany === -1 ? items.length : tooMany
}
