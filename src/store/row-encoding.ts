import type { Batch, DeviceChange, HistoryRow, SensorChange } from './batch.js'
import { formatIso } from './date-time.js'
import { reportPatch, sensorsPatch } from './report-patch.js'
import { StoreError } from './store-error.js'

/** A row as a JSON array, its columns by position. */
export type EncodedRow = readonly (string | number | null)[]

/** What a DATETIME column and the sorting of its text can hold: the years 1000 to 9999, a day off for zones. */
const FIRST_TIME_MS = Date.UTC(1000, 0, 2)
const LAST_TIME_MS = Date.UTC(9999, 11, 30)

/**
 * Formats times with `format`, remembering the last one: the readings of one message share theirs, and
 * formatting it is most of what a row costs.
 *
 * @throws StoreError STORE_REJECTED for a time that a DATETIME column cannot hold.
 */
export function timeColumn<T>(format: (timeMs: number) => T): (timeMs: number) => T {
  let last: { readonly timeMs: number; readonly value: T } | undefined
  return (timeMs) => {
    if (last?.timeMs === timeMs) return last.value
    if (!(timeMs >= FIRST_TIME_MS && timeMs <= LAST_TIME_MS)) {
      throw new StoreError(
        'STORE_REJECTED',
        `${timeMs} is no time to store; expected epoch milliseconds in the years 1000 to 9999`,
      )
    }
    last = { timeMs, value: format(timeMs) }
    return last.value
  }
}

/** `device_id, sensor_name, recorded_at, discriminator, value`. */
export function historyRows(
  history: readonly HistoryRow[],
  recordedAt: (timeMs: number) => string | number,
): EncodedRow[] {
  return history.map((row) => [
    row.deviceId,
    row.sensor,
    recordedAt(row.recordedAtMs),
    row.discriminator,
    row.value,
  ])
}

/** `device_main.id, sensor_name, sensor_value, sensor_unit, sensor_type, timestamp`. */
export function sensorRows(
  sensors: readonly SensorChange[],
  dateTime: (timeMs: number) => string,
): EncodedRow[] {
  return sensors.map((change) => [
    change.deviceId,
    change.sensor,
    String(change.value),
    change.unit,
    change.type,
    dateTime(change.recordedAtMs),
  ])
}

/**
 * `id, last_seen, last_heartbeat, is_online, patch of the sensors, patch of the rest, device_status,
 * ip_address, firmware_version`, by id; null leaves a column alone. `is_online` 2: 1, but not in the second that is
 * stored as `last_seen`. A device that only has sensors gets a row too.
 *
 * @param isStale whether a newer reading than this one is stored, so that it stays out of the report.
 */
export function deviceRows(
  batch: Batch,
  dateTime: (timeMs: number) => string,
  zoneOffsetMinutes: number,
  isStale: (change: SensorChange) => boolean,
): EncodedRow[] {
  const iso = timeColumn((timeMs) => formatIso(timeMs, zoneOffsetMinutes))
  const sensors = new Map<number, SensorChange[]>()
  for (const change of batch.sensors) {
    if (isStale(change)) continue
    const others = sensors.get(change.deviceId)
    if (others === undefined) sensors.set(change.deviceId, [change])
    else others.push(change)
  }
  const rows = batch.devices.map((change) => {
    const own = sensors.get(change.deviceId)
    sensors.delete(change.deviceId)
    return deviceRow(change, own, dateTime, iso)
  })
  for (const [deviceId, own] of sensors) {
    rows.push([deviceId, null, null, null, sensorsPatch(own, iso), null, null, null, null])
  }
  // Rows are locked in this order by whoever locks several, so that no two are in each other's way for ever.
  return rows.sort(([one], [other]) => Number(one) - Number(other))
}

function deviceRow(
  change: DeviceChange,
  sensors: readonly SensorChange[] | undefined,
  dateTime: (timeMs: number) => string,
  iso: (timeMs: number) => string,
): EncodedRow {
  return [
    change.deviceId,
    dateTime(change.seenAtMs),
    change.heartbeatAtMs === undefined ? null : dateTime(change.heartbeatAtMs),
    onlineOf(change),
    sensors === undefined ? null : sensorsPatch(sensors, iso),
    change.report === undefined ? null : reportPatch(change.deviceId, change.report, iso),
    change.deviceStatus ?? null,
    change.ipAddress ?? null,
    change.firmwareVersion ?? null,
  ]
}

function onlineOf({ isOnline, mayHaveLeft = false }: DeviceChange): 0 | 1 | 2 {
  if (!isOnline) return 0
  return mayHaveLeft ? 2 : 1
}
