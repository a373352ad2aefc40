/** The minutes over which Mosquitto averages, with the last level of the topics. */
export const AVERAGED_OVER = [
  { name: '1min', seconds: 60 },
  { name: '5min', seconds: 300 },
  { name: '15min', seconds: 900 },
] as const

/** Averages of how much a count grows in a minute. */
export interface MovingAverages {
  /** The averages over 1, 5 and 15 minutes once `count` was reached, so long after the last call. */
  update(count: number, seconds: number): readonly [number, number, number]
}

/**
 * As `mosquitto` 2.0 computes its `$SYS/broker/load` (src/sys_tree.c, calc_load): an exponential moving average that
 * begins with 0, of the growth since the last call as a rate per minute.
 */
export function createMovingAverages(): MovingAverages {
  const averages: [number, number, number] = [0, 0, 0]
  let before = 0
  return {
    update(count, seconds) {
      const perMinute = ((count - before) * 60) / seconds
      before = count
      for (const [index, over] of AVERAGED_OVER.entries()) {
        const weight = Math.exp(-seconds / over.seconds)
        averages[index] = perMinute + weight * ((averages[index] ?? 0) - perMinute)
      }
      return averages
    },
  }
}
