import {
  bigint,
  boolean,
  datetime,
  double,
  int,
  mediumtext,
  mysqlTable,
  text,
  timestamp,
  varchar,
} from 'drizzle-orm/mysql-core'

// The columns that Damselfly reads or writes, as the platform has them; `table-statements.ts` creates the
// rest of the platform's columns with them.

const localTime = (name: string) => datetime(name, { mode: 'string' })

/** One row a device; the platform's. */
export const deviceMain = mysqlTable('device_main', {
  id: int('id').primaryKey().autoincrement(),
  uuid: varchar('uuid', { length: 36 }).notNull(),
  deviceId: varchar('device_id', { length: 50 }).notNull(),
  name: varchar('name', { length: 100 }).notNull(),
  deviceSecret: varchar('device_secret', { length: 255 }).notNull(),
  firmwareVersion: varchar('firmware_version', { length: 20 }),
  deviceStatus: varchar('device_status', { length: 20 }).notNull(),
  isOnline: boolean('is_online').notNull(),
  isActive: boolean('is_active').notNull(),
  lastSeen: localTime('last_seen'),
  lastHeartbeat: localTime('last_heartbeat'),
  /** JSON on the platform; read as text, for the drivers disagree on how a server announces JSON. */
  lastReportData: text('last_report_data'),
  ipAddress: varchar('ip_address', { length: 45 }),
})

/** The newest reading of each sensor; the platform's. */
export const deviceSensors = mysqlTable('device_sensors', {
  id: bigint('id', { mode: 'number' }).primaryKey().autoincrement(),
  deviceUuid: varchar('device_uuid', { length: 36 }).notNull(),
  sensorName: varchar('sensor_name', { length: 50 }).notNull(),
  sensorValue: varchar('sensor_value', { length: 255 }).notNull(),
  sensorUnit: varchar('sensor_unit', { length: 20 }),
  sensorType: varchar('sensor_type', { length: 50 }),
  timestamp: localTime('timestamp').notNull(),
})

/** Every reading; Damselfly's own. */
export const deviceSensorHistory = mysqlTable('device_sensor_history', {
  deviceId: int('device_id').notNull(),
  sensorName: varchar('sensor_name', { length: 50 }).notNull(),
  recordedAt: datetime('recorded_at', { mode: 'string', fsp: 3 }).notNull(),
  discriminator: int('discriminator', { unsigned: true }).notNull(),
  value: double('value').notNull(),
})

/** What the first two tables do not have yet; Damselfly's own. */
export const deviceStateLog = mysqlTable('device_state_log', {
  id: bigint('id', { mode: 'number' }).primaryKey().autoincrement(),
  writtenAt: timestamp('written_at', { mode: 'string' }).notNull(),
  /** JSON of `StatePart`s. */
  changes: mediumtext('changes').notNull(),
})
