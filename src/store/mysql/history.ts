import { and, asc, count, eq, gt, gte, lt, max, min, type SQL, sql } from 'drizzle-orm'
import type { BucketRange, BucketStep, HistoryPoint, HistoryRange } from '../batch.js'
import { formatDateTimeMs, parseDateTime } from '../date-time.js'
import { bucketStep, MEAN_SCALE, READINGS_IN_STEP } from '../page-bounds.js'
import type { HistoryPair, HistoryWalk } from '../prune-walk.js'
import { timeColumn } from '../row-encoding.js'
import type { PruneCursor } from '../store.js'
import type { MysqlDatabase } from './mysql-connections.js'
import { noneIfUnlikeColumn } from './mysql-error.js'
import { deviceSensorHistory } from './tables.js'

const { deviceId, sensorName, recordedAt, discriminator, value } = deviceSensorHistory

/** `Store.readHistory`. */
export async function readHistory(
  db: MysqlDatabase,
  range: HistoryRange,
  zoneOffsetMinutes: number,
): Promise<HistoryPoint[]> {
  const dateTime = timeColumn((timeMs) => formatDateTimeMs(timeMs, zoneOffsetMinutes))
  const rows = await db
    .select({ recordedAt, value })
    .from(deviceSensorHistory)
    .where(
      and(
        eq(deviceId, range.deviceId),
        eq(sensorName, range.sensor),
        gte(recordedAt, dateTime(range.fromMs)),
        lt(recordedAt, dateTime(range.toMs)),
      ),
    )
    .orderBy(asc(recordedAt), asc(discriminator))
    .limit(range.limit)
    .catch(noneIfUnlikeColumn)
  return rows.map((row) => ({
    recordedAtMs: parseDateTime(row.recordedAt, zoneOffsetMinutes),
    value: row.value,
  }))
}

/** `Store.historyOf`; reads its readings along the primary key. */
export async function historyOf(
  db: MysqlDatabase,
  range: BucketRange,
  zoneOffsetMinutes: number,
): Promise<BucketStep> {
  const dateTime = timeColumn((timeMs) => formatDateTimeMs(timeMs, zoneOffsetMinutes))
  const toMs = (text: unknown): number => parseDateTime(String(text), zoneOffsetMinutes)
  const chunk = db.$with('chunk').as(
    db
      .select({ recordedAt, value })
      .from(deviceSensorHistory)
      .where(
        and(
          eq(deviceId, range.deviceId),
          eq(sensorName, range.sensor),
          gte(recordedAt, dateTime(range.fromMs)),
          lt(recordedAt, dateTime(range.toMs)),
        ),
      )
      .orderBy(asc(recordedAt), asc(discriminator))
      .limit(READINGS_IN_STEP),
  )
  const at = chunk.recordedAt
  const whole = db.$with('whole').as(
    db
      .select({
        met: count().as('met'),
        firstMs: min(at).as('first_at'),
        lastMs: max(at).as('last_at'),
      })
      .from(chunk),
  )
  const bucket = sql`TIMESTAMPDIFF(MICROSECOND, ${dateTime(range.originMs)}, ${at}) DIV ${range.bucketMs * 1000}`
  const rows = await db
    .with(chunk, whole)
    .select({
      bucket: bucket.mapWith(Number).as('bucket'),
      count: count(),
      min: sql`MIN(${chunk.value})`.mapWith(Number),
      max: sql`MAX(${chunk.value})`.mapWith(Number),
      scaledMean: sql`AVG(${chunk.value} / ${sql.raw(`${MEAN_SCALE}.0`)})`.mapWith(Number),
      met: sql`MAX(${whole.met})`.mapWith(Number),
      firstMs: sql`MAX(${whole.firstMs})`.mapWith(toMs),
      lastMs: sql`MAX(${whole.lastMs})`.mapWith(toMs),
    })
    .from(chunk)
    .innerJoin(whole, sql`TRUE`)
    .where(
      sql`${whole.met} < ${READINGS_IN_STEP} OR ${at} < ${whole.lastMs} OR ${whole.firstMs} = ${whole.lastMs}`,
    )
    .groupBy(sql`bucket`)
    .orderBy(sql`bucket`)
  return bucketStep(range, rows)
}

/** The walk that prunes; each statement reads or deletes along the primary key. */
export function historyWalk(db: MysqlDatabase, zoneOffsetMinutes: number): HistoryWalk {
  const dateTime = timeColumn((timeMs) => formatDateTimeMs(timeMs, zoneOffsetMinutes))

  // Two queries, because neither server takes (device_id, sensor_name) > (?, ?) for a range of the key.
  async function next(cursor: PruneCursor | undefined): Promise<HistoryPair | undefined> {
    if (cursor === undefined) return oldest(undefined)
    return (
      (await oldest(and(eq(deviceId, cursor.deviceId), gt(sensorName, cursor.sensor)))) ??
      (await oldest(gt(deviceId, cursor.deviceId)))
    )
  }

  async function oldest(where: SQL | undefined): Promise<HistoryPair | undefined> {
    const [pair] = await db
      .select({ deviceId, sensor: sensorName, recordedAt })
      .from(deviceSensorHistory)
      .where(where)
      .orderBy(asc(deviceId), asc(sensorName), asc(recordedAt))
      .limit(1)
    if (pair === undefined) return undefined
    const oldestMs = parseDateTime(pair.recordedAt, zoneOffsetMinutes)
    return { deviceId: pair.deviceId, sensor: pair.sensor, oldestMs }
  }

  async function deleteOldest(pair: PruneCursor, beforeMs: number, limit: number): Promise<number> {
    const [result] = await db
      .delete(deviceSensorHistory)
      .where(
        and(eq(deviceId, pair.deviceId), eq(sensorName, pair.sensor), lt(recordedAt, dateTime(beforeMs))),
      )
      .orderBy(asc(recordedAt), asc(discriminator))
      .limit(limit)
    return result.affectedRows
  }

  return { next, deleteOldest }
}
