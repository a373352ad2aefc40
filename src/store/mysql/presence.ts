import { and, eq, gt, isNull, lt, max, or, sql } from 'drizzle-orm'
import { formatDateTime, parseDateTime } from '../date-time.js'
import { type PresenceChange, presenceRows, tooFarAheadMs } from '../presence.js'
import { timeColumn } from '../row-encoding.js'
import { joinDevices } from './join-devices.js'
import type { MysqlDatabase } from './mysql-connections.js'
import { splitRows } from './split-rows.js'
import { deviceMain } from './tables.js'
import type { WriteContext } from './write-batch.js'

/** `Store.setPresence`: one statement, unless the server takes none so long. */
export async function setPresence(
  db: MysqlDatabase,
  changes: readonly PresenceChange[],
  { zoneOffsetMinutes, maxPacketBytes, nowMs }: WriteContext,
): Promise<void> {
  const dateTime = timeColumn((timeMs) => formatDateTime(timeMs, zoneOffsetMinutes))
  const isWrong = sql`m.last_seen > ${dateTime(tooFarAheadMs(nowMs))}`
  for (const rows of splitRows(presenceRows(changes, dateTime), maxPacketBytes)) {
    await db.execute(sql`
      UPDATE JSON_TABLE(${rows}, '$[*]' COLUMNS (
        id BIGINT PATH '$[0]',
        seen DATETIME PATH '$[1]',
        online TINYINT PATH '$[2]'
      )) AS r ${joinDevices}
      SET m.is_online = r.online, m.last_seen = IF(r.online = 1, r.seen, m.last_seen)
      WHERE (m.last_seen IS NULL OR m.last_seen <= r.seen OR ${isWrong})
        AND (r.online = 1 OR m.is_online = 1)`)
  }
}

/** `Store.findSilent`. */
export async function findSilent(
  db: MysqlDatabase,
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
export async function newestSeen(db: MysqlDatabase, zoneOffsetMinutes: number): Promise<number | undefined> {
  const [row] = await db.select({ newest: max(deviceMain.lastSeen) }).from(deviceMain)
  return row?.newest == null ? undefined : parseDateTime(row.newest, zoneOffsetMinutes)
}
