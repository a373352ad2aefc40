import { and, asc, count, eq, gt, gte, lt, max, min, type SQL, sql } from 'drizzle-orm'
import type { BucketRange, BucketStep, HistoryPoint, HistoryRange } from '../batch.js'
import { bucketStep, MEAN_SCALE, READINGS_IN_STEP } from '../page-bounds.js'
import type { HistoryPair, HistoryWalk } from '../prune-walk.js'
import type { PruneCursor } from '../store.js'
import type { SqliteDatabase } from './sqlite-database.js'
import { deviceSensorHistory } from './tables.js'

const { deviceId, sensorName, recordedAt, discriminator, value } = deviceSensorHistory

/** `Store.readHistory`. */
export async function readHistory(db: SqliteDatabase, range: HistoryRange): Promise<HistoryPoint[]> {
  return db
    .select({ recordedAtMs: recordedAt, value })
    .from(deviceSensorHistory)
    .where(
      and(
        eq(deviceId, range.deviceId),
        eq(sensorName, range.sensor),
        gte(recordedAt, range.fromMs),
        lt(recordedAt, range.toMs),
      ),
    )
    .orderBy(asc(recordedAt), asc(discriminator))
    .limit(range.limit)
}

/** `Store.historyOf`; reads its readings along the primary key. */
export async function historyOf(db: SqliteDatabase, range: BucketRange): Promise<BucketStep> {
  const chunk = db.$with('chunk').as(
    db
      .select({ recordedAt, value })
      .from(deviceSensorHistory)
      .where(
        and(
          eq(deviceId, range.deviceId),
          eq(sensorName, range.sensor),
          gte(recordedAt, range.fromMs),
          lt(recordedAt, range.toMs),
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
  const bucket = sql`(${at} - CAST(${range.originMs} AS INTEGER)) / CAST(${range.bucketMs} AS INTEGER)`
  const rows = await db
    .with(chunk, whole)
    .select({
      bucket: bucket.mapWith(Number).as('bucket'),
      count: count(),
      min: sql`MIN(${chunk.value})`.mapWith(Number),
      max: sql`MAX(${chunk.value})`.mapWith(Number),
      scaledMean: sql`AVG(${chunk.value} / ${sql.raw(`${MEAN_SCALE}.0`)})`.mapWith(Number),
      met: sql`MAX(${whole.met})`.mapWith(Number),
      firstMs: sql`MAX(${whole.firstMs})`.mapWith(Number),
      lastMs: sql`MAX(${whole.lastMs})`.mapWith(Number),
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
export function historyWalk(db: SqliteDatabase): HistoryWalk {
  // Two queries: each is one seek in the key.
  async function next(cursor: PruneCursor | undefined): Promise<HistoryPair | undefined> {
    if (cursor === undefined) return oldest(undefined)
    return (
      (await oldest(and(eq(deviceId, cursor.deviceId), gt(sensorName, cursor.sensor)))) ??
      (await oldest(gt(deviceId, cursor.deviceId)))
    )
  }

  async function oldest(where: SQL | undefined): Promise<HistoryPair | undefined> {
    const [pair] = await db
      .select({ deviceId, sensor: sensorName, oldestMs: recordedAt })
      .from(deviceSensorHistory)
      .where(where)
      .orderBy(asc(deviceId), asc(sensorName), asc(recordedAt))
      .limit(1)
    return pair
  }

  async function deleteOldest(pair: PruneCursor, beforeMs: number, limit: number): Promise<number> {
    const isOld = and(eq(deviceId, pair.deviceId), eq(sensorName, pair.sensor), lt(recordedAt, beforeMs))
    // DELETE has no LIMIT in SQLite as it is usually built.
    const doomed = db
      .select({ recordedAt, discriminator })
      .from(deviceSensorHistory)
      .where(isOld)
      .orderBy(asc(recordedAt), asc(discriminator))
      .limit(limit)
    const result = await db
      .delete(deviceSensorHistory)
      .where(and(isOld, sql`(${recordedAt}, ${discriminator}) IN ${doomed}`))
    return result.rowsAffected
  }

  return { next, deleteOldest }
}
