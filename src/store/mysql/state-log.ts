import { asc, inArray, sql } from 'drizzle-orm'
import type { Batch } from '../batch.js'
import { batchOfParts, type LoggedState, parseStateParts, stateParts } from '../state-entry.js'
import type { MysqlDatabase } from './mysql-connections.js'
import { splitRows } from './split-rows.js'
import { deviceMain, deviceStateLog } from './tables.js'
import { startTransaction, statementOf } from './transaction.js'
import { historyStatements, type WriteContext } from './write-batch.js'

/** Entries to read at a time; each is one batch, or a part of it. */
const ENTRIES_AT_ONCE = 20

const { id, writtenAt, changes } = deviceStateLog

/** Writes the history of a batch, and the rest as entries of the log, in one transaction; resolves to their ids. */
export async function writeLogged(
  db: MysqlDatabase,
  batch: Batch,
  context: WriteContext,
): Promise<readonly number[]> {
  const entries = [...splitRows(stateParts(batch), context.maxPacketBytes)]
  const transaction = startTransaction(db, context.maxPacketBytes)
  await transaction.run(historyStatements(batch, context))
  await transaction.run(
    entries.map((entry) => statementOf(sql`INSERT INTO device_state_log (changes) VALUES (${entry})`, entry)),
  )
  return transaction.commit()
}

/**
 * The oldest entries that were written at least `ageS` seconds ago by the database's clock; 0: of all, also of those
 * from before that clock was set back.
 */
export async function readEntries(db: MysqlDatabase, ageS: number): Promise<readonly LoggedState[]> {
  const rows = await db
    .select({ id, changes })
    .from(deviceStateLog)
    .where(ageS === 0 ? undefined : sql`${writtenAt} <= CURRENT_TIMESTAMP - INTERVAL ${ageS} SECOND`)
    .orderBy(asc(id))
    .limit(ENTRIES_AT_ONCE)
  const entries = rows.map((row) => ({ id: row.id, parts: parseStateParts(row.id, row.changes) }))
  const uuids = await uuidsOf(
    db,
    new Set(entries.flatMap(({ parts }) => parts.map(([deviceId]) => deviceId))),
  )
  return entries.map((entry) => ({ id: entry.id, batch: batchOfParts(entry.parts, uuids) }))
}

async function uuidsOf(
  db: MysqlDatabase,
  deviceIds: ReadonlySet<number>,
): Promise<ReadonlyMap<number, string>> {
  if (deviceIds.size === 0) return new Map()
  const found = await db
    .select({ deviceId: deviceMain.id, uuid: deviceMain.uuid })
    .from(deviceMain)
    .where(inArray(deviceMain.id, [...deviceIds]))
  return new Map(found.map(({ deviceId, uuid }) => [deviceId, uuid]))
}

/** Removes entries that the state tables have now. */
export async function removeEntries(db: MysqlDatabase, ids: readonly number[]): Promise<void> {
  await db.delete(deviceStateLog).where(inArray(id, [...ids]))
}
