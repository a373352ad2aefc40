import { and, eq, gt, isNull, lt, max, or, sql } from 'drizzle-orm'
import { formatDateTime, parseDateTime } from '../date-time.js'
import { encodeJson } from '../encode-json.js'
import { type PresenceChange, presenceRows, tooFarAheadMs } from '../presence.js'
import { timeColumn } from '../row-encoding.js'
import type { SqliteDatabase } from './sqlite-database.js'
import { deviceMain } from './tables.js'

/** `Store.setPresence`. */
export async function setPresence(
  db: SqliteDatabase,
  changes: readonly PresenceChange[],
  zoneOffsetMinutes: number,
  nowMs: number,
): Promise<void> {
  if (changes.length === 0) return
  const dateTime = timeColumn((timeMs) => formatDateTime(timeMs, zoneOffsetMinutes))
  await db.run(sql`
    UPDATE device_main SET
      is_online = r.online,
      last_seen = iif(r.online = 1, r.seen, last_seen),
      updated_at = ${dateTime(nowMs)}
    FROM (
      SELECT value ->> 0 AS id, value ->> 1 AS seen, value ->> 2 AS online
      FROM json_each(${encodeJson(presenceRows(changes, dateTime))})
    ) AS r
    WHERE device_main.id = r.id
      AND (last_seen IS NULL OR last_seen <= r.seen OR last_seen > ${dateTime(tooFarAheadMs(nowMs))})
      AND (is_online = 1 OR r.online = 1)
      AND (is_online <> r.online OR last_seen IS NOT r.seen)`)
}

/** `Store.findSilent`. */
export async function findSilent(
  db: SqliteDatabase,
  beforeMs: number,
  zoneOffsetMinutes: number,
): Promise<number[]> {
  const { id, isOnline, lastSeen } = deviceMain
  const dateTime = (timeMs: number): string => formatDateTime(timeMs, zoneOffsetMinutes)
  const isSilent = or(
    isNull(lastSeen),
    lt(lastSeen, dateTime(beforeMs)),
    gt(lastSeen, dateTime(tooFarAheadMs(Date.now()))),
  )
  const found = await db
    .select({ id })
    .from(deviceMain)
    .where(and(eq(isOnline, true), isSilent))
  return found.map((row) => row.id)
}

/** `Store.newestSeen`. */
export async function newestSeen(db: SqliteDatabase, zoneOffsetMinutes: number): Promise<number | undefined> {
  const [row] = await db.select({ newest: max(deviceMain.lastSeen) }).from(deviceMain)
  return row?.newest == null ? undefined : parseDateTime(row.newest, zoneOffsetMinutes)
}
