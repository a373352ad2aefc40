import { and, eq, getTableColumns, inArray, sql } from 'drizzle-orm'
import { int, type MySqlTable, mysqlSchema, varchar } from 'drizzle-orm/mysql-core'
import { StoreError } from '../store-error.js'
import type { MysqlDatabase } from './mysql-connections.js'
import { isAccessDenied } from './mysql-error.js'
import { tableStatements } from './table-statements.js'
import { deviceMain, deviceSensorHistory, deviceSensors, deviceStateLog } from './tables.js'

const informationSchema = mysqlSchema('information_schema')
const columns = informationSchema.table('columns', {
  tableSchema: varchar('table_schema', { length: 64 }).notNull(),
  tableName: varchar('table_name', { length: 64 }).notNull(),
  columnName: varchar('column_name', { length: 64 }).notNull(),
})
const statistics = informationSchema.table('statistics', {
  tableSchema: varchar('table_schema', { length: 64 }).notNull(),
  tableName: varchar('table_name', { length: 64 }).notNull(),
  indexName: varchar('index_name', { length: 64 }).notNull(),
  columnName: varchar('column_name', { length: 64 }).notNull(),
  nonUnique: int('non_unique').notNull(),
})

const needed = {
  device_main: columnNames(deviceMain),
  device_sensors: columnNames(deviceSensors),
  device_sensor_history: columnNames(deviceSensorHistory),
  device_state_log: columnNames(deviceStateLog),
}
type TableName = keyof typeof needed

/**
 * Creates the tables that are absent and checks the others, which it leaves as they are. Where all exist no
 * CREATE is sent, for the login may lack the right to it.
 *
 * @throws StoreError STORE_SCHEMA naming every column that is missing.
 */
export async function prepareTables(db: MysqlDatabase): Promise<void> {
  const names = ['device_main', 'device_sensors', 'device_sensor_history'] as const
  const present = await presentColumns(db, names)
  for (const name of names) {
    if (!present.has(name)) await db.execute(sql.raw(tableStatements[name]))
  }
  checkColumns(present)
  await checkUpsertKey(db)
}

/**
 * The same for the log of state, which databases of earlier versions lack.
 *
 * @returns whether it is there, and can be used; `false`: the login lacks a right to it.
 */
export async function prepareStateLog(db: MysqlDatabase): Promise<boolean> {
  const present = await presentColumns(db, ['device_state_log'])
  checkColumns(present)
  try {
    if (present.size === 0) await db.execute(sql.raw(tableStatements.device_state_log))
    await db.delete(deviceStateLog).where(eq(deviceStateLog.id, 0)) // there is none; without the right it would grow
    return true
  } catch (error) {
    if (isAccessDenied(error)) return false
    throw error
  }
}

function checkColumns(present: ReadonlyMap<TableName, ReadonlySet<string>>): void {
  const gaps = [...present].flatMap(([name, found]) => {
    const missing = needed[name].filter((column) => !found.has(column))
    return missing.length === 0 ? [] : [`${name} lacks ${missing.join(', ')}`]
  })
  if (gaps.length > 0) {
    throw new StoreError('STORE_SCHEMA', `${gaps.join('; ')}; add these columns as the platform has them`)
  }
}

/** Without this key each reading would add a row to `device_sensors` for ever. */
async function checkUpsertKey(db: MysqlDatabase): Promise<void> {
  const { tableSchema, tableName, indexName, columnName, nonUnique } = statistics
  const keys = await db
    .select({ columns: sql<string>`GROUP_CONCAT(LOWER(${columnName}) ORDER BY LOWER(${columnName}))` })
    .from(statistics)
    .where(and(eq(tableSchema, sql`DATABASE()`), eq(tableName, 'device_sensors'), eq(nonUnique, 0)))
    .groupBy(indexName)
  if (keys.some((key) => key.columns === 'device_uuid,sensor_name')) return
  throw new StoreError(
    'STORE_SCHEMA',
    'device_sensors lacks a unique key on device_uuid, sensor_name; add it as the platform has it',
  )
}

async function presentColumns(
  db: MysqlDatabase,
  names: readonly TableName[],
): Promise<ReadonlyMap<TableName, ReadonlySet<string>>> {
  const { tableSchema, tableName, columnName } = columns
  const rows = await db
    .select({ tableName, columnName })
    .from(columns)
    .where(and(eq(tableSchema, sql`DATABASE()`), inArray(tableName, [...names])))
  const present = new Map<TableName, Set<string>>()
  for (const name of names) {
    const own = rows.filter((row) => row.tableName.toLowerCase() === name)
    if (own.length > 0) present.set(name, new Set(own.map((row) => row.columnName.toLowerCase())))
  }
  return present
}

function columnNames(table: MySqlTable): string[] {
  return Object.values(getTableColumns(table)).map((column) => column.name)
}
