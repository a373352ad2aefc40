import { inArray, type SQL, sql } from 'drizzle-orm'
import type { Batch, HistoryRow, SensorChange } from '../batch.js'
import { formatDateTime, formatDateTimeMs } from '../date-time.js'
import { deviceRows, sensorRows, timeColumn } from '../row-encoding.js'
import { lateChanges, type StoredTime, staleAmong } from '../staleness.js'
import { historyValues } from './history-values.js'
import { joinDevices } from './join-devices.js'
import type { MysqlDatabase } from './mysql-connections.js'
import { splitRows } from './split-rows.js'
import { deviceSensors } from './tables.js'
import { type Statement, startTransaction, statementOf } from './transaction.js'

/** What the writing depends on, beside the batch. */
export interface WriteContext {
  readonly zoneOffsetMinutes: number
  readonly maxPacketBytes: number
  /** The time of this write. */
  readonly nowMs: number
}

/** Writes a batch in one transaction: at best one statement a table, all in one packet. */
export async function writeBatch(db: MysqlDatabase, batch: Batch, context: WriteContext): Promise<void> {
  const { zoneOffsetMinutes, maxPacketBytes, nowMs } = context
  const dateTime = timeColumn((timeMs) => formatDateTime(timeMs, zoneOffsetMinutes))
  const now = dateTime(nowMs)
  const statements = (encoded: readonly unknown[], statement: (rows: string) => SQL): Statement[] =>
    [...splitRows(encoded, maxPacketBytes)].map((rows) => statementOf(statement(rows), rows))
  const transaction = startTransaction(db, maxPacketBytes)
  await transaction.run(historyStatements(batch, context))
  await transaction.run(statements(sensorRows(batch.sensors, dateTime), (rows) => upsertSensors(rows, now)))
  const late = lateChanges(batch, nowMs)
  if (late.length > 0) await transaction.flush()
  const isStale = staleAmong(await storedTimes(db, late), dateTime)
  const devices = deviceRows(batch, dateTime, zoneOffsetMinutes, isStale)
  await transaction.run(statements(devices, (rows) => updateDevices(rows, now)))
  await transaction.commit()
}

/** What writes the history of a batch. */
export function historyStatements(
  { history }: Batch,
  { zoneOffsetMinutes, maxPacketBytes }: WriteContext,
): Statement[] {
  const dateTimeMs = timeColumn((timeMs) => formatDateTimeMs(timeMs, zoneOffsetMinutes))
  const encode = (rows: readonly HistoryRow[]): string => historyValues(rows, dateTimeMs)
  return [...splitRows(history, maxPacketBytes, encode)].map((rows) => statementOf(insertHistory(rows), rows))
}

// JSON_TABLE cuts an over-long text without a word, so its columns are wider than those that the texts go
// to, where strict mode makes an error of it. Character sets are named so that no server's default decides.

/** A row whose key is there is the same reading again: the update changes nothing, but errors stay errors. */
function insertHistory(rows: string): SQL {
  return sql`
    INSERT INTO device_sensor_history (device_id, sensor_name, recorded_at, discriminator, value)
    VALUES ${sql.raw(rows)}
    ON DUPLICATE KEY UPDATE value = device_sensor_history.value`
}

/**
 * Whether a stored time is from a clock that was wrong. A packet can reach the database long after it was given up and
 * what came later was stored, so its own clock must say so too; which for a statement stands still, also through 5 s of
 * waiting for locks.
 */
function isInFuture(stored: SQL, now: string): SQL {
  return sql`(${stored} > ${now} AND ${stored} > NOW() + INTERVAL 5 SECOND)`
}

/**
 * The assignments run from left to right, so `timestamp`, on which the others depend, comes last. A device that was
 * removed meanwhile leaves none.
 */
function upsertSensors(rows: string, now: string): SQL {
  const isNewer = sql`
    (r.recorded_at >= device_sensors.timestamp OR ${isInFuture(sql`device_sensors.timestamp`, now)})`
  return sql`
    INSERT INTO device_sensors (device_uuid, sensor_name, sensor_value, sensor_unit, sensor_type, timestamp)
    SELECT m.uuid, r.name, r.reading, r.unit, r.type, r.recorded_at
    FROM JSON_TABLE(${rows}, '$[*]' COLUMNS (
      id BIGINT PATH '$[0]',
      name VARCHAR(255) CHARACTER SET utf8mb4 PATH '$[1]',
      reading VARCHAR(512) CHARACTER SET utf8mb4 PATH '$[2]',
      unit VARCHAR(255) CHARACTER SET utf8mb4 PATH '$[3]',
      type VARCHAR(255) CHARACTER SET utf8mb4 PATH '$[4]',
      recorded_at DATETIME PATH '$[5]'
    )) AS r ${joinDevices}
    ON DUPLICATE KEY UPDATE
      sensor_value = IF(${isNewer}, r.reading, device_sensors.sensor_value),
      sensor_unit = IF(${isNewer}, r.unit, device_sensors.sensor_unit),
      sensor_type = IF(${isNewer}, r.type, device_sensors.sensor_type),
      timestamp = IF(${isNewer}, r.recorded_at, device_sensors.timestamp)`
}

/** Stored times of the sensors of these changes' devices. */
async function storedTimes(
  db: MysqlDatabase,
  changes: readonly SensorChange[],
): Promise<readonly StoredTime[]> {
  if (changes.length === 0) return []
  const uuids = [...new Set(changes.map((change) => change.deviceUuid))]
  const { deviceUuid, sensorName, timestamp } = deviceSensors
  return db
    .select({ deviceUuid, sensorName, timestamp })
    .from(deviceSensors)
    .where(inArray(deviceUuid, uuids))
}

/**
 * What a device said counts if it is no older than `last_seen`, on which the others depend; so that comes
 * last. A sensor's patch was weighed by the sensor's own time, when the batch was made: what came later overtakes it.
 * A report that is no object gives way.
 */
function updateDevices(rows: string, now: string): SQL {
  const isNewest = sql`
    (r.seen IS NOT NULL AND
      (m.last_seen IS NULL OR r.seen >= m.last_seen OR ${isInFuture(sql`m.last_seen`, now)}))`
  const isOvertaken = sql`(m.last_seen > ${now} AND NOT ${isInFuture(sql`m.last_seen`, now)})`
  const isNewestHeartbeat = sql`
    (r.heartbeat IS NOT NULL AND
      (m.last_heartbeat IS NULL OR r.heartbeat >= m.last_heartbeat OR
        ${isInFuture(sql`m.last_heartbeat`, now)}))`
  return sql`
    UPDATE JSON_TABLE(${rows}, '$[*]' COLUMNS (
      id BIGINT PATH '$[0]',
      seen DATETIME PATH '$[1]',
      heartbeat DATETIME PATH '$[2]',
      online TINYINT PATH '$[3]',
      sensors LONGTEXT CHARACTER SET utf8mb4 PATH '$[4]',
      report LONGTEXT CHARACTER SET utf8mb4 PATH '$[5]',
      status VARCHAR(255) CHARACTER SET utf8mb4 PATH '$[6]',
      address VARCHAR(255) CHARACTER SET utf8mb4 PATH '$[7]',
      firmware VARCHAR(255) CHARACTER SET utf8mb4 PATH '$[8]'
    )) AS r ${joinDevices}
    SET
      m.last_report_data = IF(
        ${isOvertaken} OR (r.sensors IS NULL AND (r.report IS NULL OR NOT ${isNewest})),
        m.last_report_data,
        JSON_MERGE_PATCH(
          IF(JSON_VALID(m.last_report_data), m.last_report_data, '{}'),
          COALESCE(r.sensors, '{}'),
          IF(${isNewest}, COALESCE(r.report, '{}'), '{}'))),
      m.device_status = IF(${isNewest}, COALESCE(r.status, m.device_status), m.device_status),
      m.ip_address = IF(${isNewest}, COALESCE(r.address, m.ip_address), m.ip_address),
      m.firmware_version = IF(${isNewest}, COALESCE(r.firmware, m.firmware_version), m.firmware_version),
      m.is_online = IF(${isNewest} AND NOT (r.online = 2 AND r.seen <=> m.last_seen), r.online > 0, m.is_online),
      m.last_heartbeat = IF(${isNewestHeartbeat}, r.heartbeat, m.last_heartbeat),
      m.last_seen = IF(${isNewest}, r.seen, m.last_seen)`
}
