import type { PruneCursor, PruneStep } from './store.js'

/** A device's sensor that has history, and the time of its oldest row. */
export interface HistoryPair extends PruneCursor {
  readonly oldestMs: number
}

/** What a walk through the history asks of a database; each call touches one sensor's rows only. */
export interface HistoryWalk {
  /** The first device and sensor after `cursor`, in the order of the primary key. */
  next(cursor: PruneCursor | undefined): Promise<HistoryPair | undefined>
  /** Deletes up to `limit` of the sensor's rows from before `beforeMs`, oldest first; how many they were. */
  deleteOldest(pair: PruneCursor, beforeMs: number, limit: number): Promise<number>
}

/** Sensors to look at in one step: two short index reads each, so a step stays in the low milliseconds. */
const PAIRS_PER_STEP = 50

/** One step of `Store.pruneHistory`. */
export async function pruneStep(
  walk: HistoryWalk,
  beforeMs: number,
  limit: number,
  cursor: PruneCursor | undefined,
): Promise<PruneStep> {
  let deleted = 0
  let done = cursor
  for (let visited = 0; visited < PAIRS_PER_STEP; visited++) {
    const pair = await walk.next(done)
    if (pair === undefined) return { deleted }
    if (pair.oldestMs < beforeMs) {
      deleted += await walk.deleteOldest(pair, beforeMs, limit - deleted)
      // It may have more, so it is to be next again. No sensor's name is empty.
      if (deleted >= limit) return { deleted, cursor: done ?? { deviceId: pair.deviceId, sensor: '' } }
    }
    done = { deviceId: pair.deviceId, sensor: pair.sensor }
  }
  return done === undefined ? { deleted } : { deleted, cursor: done }
}
