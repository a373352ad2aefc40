import type { Batch, SensorChange } from './batch.js'

/** A sensor's time as `device_sensors` holds it: DATETIME text, which sorts as the times do. */
export interface StoredTime {
  readonly deviceUuid: string
  readonly sensorName: string
  readonly timestamp: string
}

/**
 * A reading newer than this cannot be much behind what is stored (the columns hold seconds, and a stored
 * time in the future does not count), so that live batches are spared the look-up of stale ones.
 */
const LIVE_WITHIN_MS = 1000

/**
 * The changes that something newer may be stored for; for an ordinary live batch, none. Of a batch without `mayBeLate`
 * that holds for its devices nobody else has written anything since it arrived, or since `asOfMs`.
 */
export function lateChanges(
  { sensors, mayBeLate = false, asOfMs }: Batch,
  nowMs: number,
): readonly SensorChange[] {
  const liveMs = Math.min(asOfMs ?? nowMs, nowMs) - LIVE_WITHIN_MS
  return mayBeLate ? sensors : sensors.filter((change) => change.recordedAtMs < liveMs)
}

/** Tells whether a newer reading than a change's is among the stored ones. */
export function staleAmong(
  stored: readonly StoredTime[],
  dateTime: (timeMs: number) => string,
): (change: SensorChange) => boolean {
  const times = new Map(stored.map((row) => [keyOf(row.deviceUuid, row.sensorName), row.timestamp]))
  return (change) => {
    const time = times.get(keyOf(change.deviceUuid, change.sensor))
    return time !== undefined && time > dateTime(change.recordedAtMs)
  }
}

/** No sensor's name has a blank. */
function keyOf(deviceUuid: string, sensor: string): string {
  return `${sensor} ${deviceUuid}`
}
