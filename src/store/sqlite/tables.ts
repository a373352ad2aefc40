import { integer, primaryKey, real, sqliteTable, text } from 'drizzle-orm/sqlite-core'

// The columns that Damselfly reads or writes; `table-statements.ts` creates the rest of the platform's
// columns with them. DATETIMEs are text in the zone of the settings, which sorts as the times do.

/** One row a device; the platform's. */
export const deviceMain = sqliteTable('device_main', {
  id: integer('id').primaryKey({ autoIncrement: true }),
  uuid: text('uuid').notNull(),
  deviceId: text('device_id').notNull(),
  name: text('name').notNull(),
  deviceSecret: text('device_secret').notNull(),
  firmwareVersion: text('firmware_version'),
  deviceStatus: text('device_status').notNull(),
  isOnline: integer('is_online', { mode: 'boolean' }).notNull(),
  isActive: integer('is_active', { mode: 'boolean' }).notNull(),
  lastSeen: text('last_seen'),
  lastHeartbeat: text('last_heartbeat'),
  lastReportData: text('last_report_data'),
  ipAddress: text('ip_address'),
  createdAt: text('created_at').notNull(),
  updatedAt: text('updated_at').notNull(),
})

/** The newest reading of each sensor; the platform's. */
export const deviceSensors = sqliteTable('device_sensors', {
  id: integer('id').primaryKey({ autoIncrement: true }),
  deviceUuid: text('device_uuid').notNull(),
  sensorName: text('sensor_name').notNull(),
  sensorValue: text('sensor_value').notNull(),
  sensorUnit: text('sensor_unit').notNull(),
  sensorType: text('sensor_type').notNull(),
  timestamp: text('timestamp').notNull(),
  createdAt: text('created_at').notNull(),
  updatedAt: text('updated_at').notNull(),
})

/** Every reading; Damselfly's own. */
export const deviceSensorHistory = sqliteTable(
  'device_sensor_history',
  {
    deviceId: integer('device_id').notNull(),
    sensorName: text('sensor_name').notNull(),
    /** Epoch milliseconds. */
    recordedAt: integer('recorded_at').notNull(),
    discriminator: integer('discriminator').notNull(),
    value: real('value').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.deviceId, table.sensorName, table.recordedAt, table.discriminator] }),
  ],
)
