import { inArray, type SQL, sql } from 'drizzle-orm'
import type { Batch, SensorChange } from '../batch.js'
import { formatDateTime } from '../date-time.js'
import { encodeJson } from '../encode-json.js'
import { deviceRows, historyRows, sensorRows, timeColumn } from '../row-encoding.js'
import { lateChanges, type StoredTime, staleAmong } from '../staleness.js'
import type { SqliteDatabase } from './sqlite-database.js'
import { deviceSensors } from './tables.js'

/** Writes a batch through `tx`, a transaction: one statement a table. `nowMs` is the time of this write. */
export async function writeBatch(
  tx: SqliteDatabase,
  batch: Batch,
  zoneOffsetMinutes: number,
  nowMs: number,
): Promise<void> {
  const dateTime = timeColumn((timeMs) => formatDateTime(timeMs, zoneOffsetMinutes))
  const now = dateTime(nowMs)
  const history = historyRows(
    batch.history,
    timeColumn((timeMs) => timeMs),
  )
  if (history.length > 0) await tx.run(insertHistory(encodeJson(history)))
  const sensors = sensorRows(batch.sensors, dateTime)
  if (sensors.length > 0) await tx.run(upsertSensors(encodeJson(sensors), now))
  const late = lateChanges(batch, nowMs)
  const isStale = staleAmong(await storedTimes(tx, late), dateTime)
  const devices = deviceRows(batch, dateTime, zoneOffsetMinutes, isStale)
  if (devices.length > 0) await tx.run(updateDevices(encodeJson(devices), now))
}

// WHERE true keeps the parser from taking ON for a join's. (SQLite, UPSERT, section 2.2)

/** A row whose key is there is the same reading again. */
function insertHistory(rows: string): SQL {
  return sql`
    INSERT INTO device_sensor_history (device_id, sensor_name, recorded_at, discriminator, value)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4 FROM json_each(${rows}) WHERE true
    ON CONFLICT (device_id, sensor_name, recorded_at, discriminator) DO NOTHING`
}

/** A device that was removed meanwhile leaves none. CROSS JOIN keeps the order. (SQLite, Query Optimizer, section 9.1) */
function upsertSensors(rows: string, now: string): SQL {
  return sql`
    INSERT INTO device_sensors (device_uuid, sensor_name, sensor_value, sensor_unit, sensor_type, timestamp,
      created_at, updated_at)
    SELECT m.uuid, r.value ->> 1, r.value ->> 2, r.value ->> 3, r.value ->> 4, r.value ->> 5, ${now}, ${now}
    FROM json_each(${rows}) AS r CROSS JOIN device_main AS m ON m.id = r.value ->> 0 WHERE true
    ON CONFLICT (device_uuid, sensor_name) DO UPDATE SET
      sensor_value = excluded.sensor_value,
      sensor_unit = excluded.sensor_unit,
      sensor_type = excluded.sensor_type,
      timestamp = excluded.timestamp,
      updated_at = excluded.updated_at
    WHERE excluded.timestamp >= device_sensors.timestamp OR device_sensors.timestamp > ${now}`
}

/** Stored times of the sensors of these changes' devices. */
async function storedTimes(
  tx: SqliteDatabase,
  changes: readonly SensorChange[],
): Promise<readonly StoredTime[]> {
  if (changes.length === 0) return []
  const uuids = [...new Set(changes.map((change) => change.deviceUuid))]
  const { deviceUuid, sensorName, timestamp } = deviceSensors
  // One parameter, for their number is limited.
  const listed = sql`(SELECT value FROM json_each(${encodeJson(uuids)}))`
  return tx
    .select({ deviceUuid, sensorName, timestamp })
    .from(deviceSensors)
    .where(inArray(deviceUuid, listed))
}

/**
 * What a device said counts if it is no older than `last_seen`; every expression sees the row as it was.
 * A sensor's patch was weighed by the sensor's own time. A report that is no object gives way.
 */
function updateDevices(rows: string, now: string): SQL {
  const isNewest = sql`
    (r.seen IS NOT NULL AND (last_seen IS NULL OR r.seen >= last_seen OR last_seen > ${now}))`
  const isNewestHeartbeat = sql`
    (r.heartbeat IS NOT NULL AND
      (last_heartbeat IS NULL OR r.heartbeat >= last_heartbeat OR last_heartbeat > ${now}))`
  return sql`
    UPDATE device_main SET
      last_report_data = iif(r.sensors IS NULL AND (r.report IS NULL OR NOT ${isNewest}),
        last_report_data,
        json_patch(
          json_patch(iif(json_valid(last_report_data), last_report_data, '{}'), coalesce(r.sensors, '{}')),
          iif(${isNewest}, coalesce(r.report, '{}'), '{}'))),
      device_status = iif(${isNewest}, coalesce(r.status, device_status), device_status),
      ip_address = iif(${isNewest}, coalesce(r.address, ip_address), ip_address),
      firmware_version = iif(${isNewest}, coalesce(r.firmware, firmware_version), firmware_version),
      is_online = iif(${isNewest} AND NOT (r.online = 2 AND r.seen IS last_seen), r.online > 0, is_online),
      last_heartbeat = iif(${isNewestHeartbeat}, r.heartbeat, last_heartbeat),
      last_seen = iif(${isNewest}, r.seen, last_seen),
      updated_at = ${now}
    FROM (
      SELECT value ->> 0 AS id, value ->> 1 AS seen, value ->> 2 AS heartbeat, value ->> 3 AS online,
        value ->> 4 AS sensors, value ->> 5 AS report, value ->> 6 AS status, value ->> 7 AS address,
        value ->> 8 AS firmware
      FROM json_each(${rows})
    ) AS r
    WHERE device_main.id = r.id`
}
