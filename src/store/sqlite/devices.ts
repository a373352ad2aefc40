import { and, asc, eq, gt, inArray, lte, or, type SQL, sql } from 'drizzle-orm'
import {
  type Device,
  type DevicePage,
  type DeviceQuery,
  type DeviceReport,
  type DeviceSummary,
  devicesByName,
  type NewDevice,
  type SensorReport,
} from '../device.js'
import { DEVICES_LOOKED_AT, devicePage } from '../page-bounds.js'
import { parseReport } from '../parse-report.js'
import { StoreError } from '../store-error.js'
import type { SqliteDatabase } from './sqlite-database.js'
import { isDuplicateKey } from './sqlite-error.js'
import { deviceMain, deviceSensorHistory, deviceSensors } from './tables.js'

const { id, uuid, deviceId, isActive } = deviceMain

const DEVICE = { id, uuid, deviceId, secret: deviceMain.deviceSecret, isActive }

/** The columns of a `DeviceSummary`. */
const SUMMARY = {
  id,
  uuid,
  device_id: deviceId,
  name: deviceMain.name,
  device_status: deviceMain.deviceStatus,
  is_online: deviceMain.isOnline,
  is_active: isActive,
  last_seen: deviceMain.lastSeen,
  last_heartbeat: deviceMain.lastHeartbeat,
  ip_address: deviceMain.ipAddress,
  firmware_version: deviceMain.firmwareVersion,
}

/** `Store.findDevice`. */
export async function findDevice(db: SqliteDatabase, name: string): Promise<Device | undefined> {
  return (await findDevices(db, [name])).get(name)
}

/** `Store.findDevices`. */
export async function findDevices(
  db: SqliteDatabase,
  names: readonly string[],
): Promise<ReadonlyMap<string, Device>> {
  const found = await db
    .select(DEVICE)
    .from(deviceMain)
    .where(or(inArray(uuid, [...names]), inArray(deviceId, [...names])))
  // Compared again, because a text that is bound ends at a zero character.
  return devicesByName(found, names)
}

/** `Store.addDevice`; `now` is its `created_at`. STORE_CONFLICT when a name is taken. */
export async function addDevice(db: SqliteDatabase, device: NewDevice, now: string): Promise<Device> {
  const row = {
    uuid: device.uuid,
    deviceId: device.deviceId,
    name: device.name,
    deviceSecret: device.secret,
    deviceStatus: 'pending',
    isOnline: false,
    isActive: true,
    createdAt: now,
    updatedAt: now,
  }
  try {
    const [added] = await db.insert(deviceMain).values(row).returning(DEVICE)
    if (added !== undefined) return added
  } catch (error) {
    if (!isDuplicateKey(error)) throw error
  }
  throw new StoreError(
    'STORE_CONFLICT',
    `uuid ${device.uuid} or device_id ${device.deviceId} is taken; choose another, or remove that device`,
  )
}

/** `Store.setSecret`; `now` becomes its `updated_at`. */
export async function setSecret(
  db: SqliteDatabase,
  ofId: number,
  secret: string,
  now: string,
): Promise<boolean> {
  const result = await db.update(deviceMain).set({ deviceSecret: secret, updatedAt: now }).where(eq(id, ofId))
  return result.rowsAffected > 0
}

/** Removes a device with all that is stored of it, in the transaction `tx`. */
export async function removeDevice(tx: SqliteDatabase, ofId: number): Promise<boolean> {
  const [device] = await tx.select({ uuid }).from(deviceMain).where(eq(id, ofId))
  if (device === undefined) return false
  await tx.delete(deviceSensors).where(eq(deviceSensors.deviceUuid, device.uuid))
  await tx.delete(deviceSensorHistory).where(eq(deviceSensorHistory.deviceId, ofId))
  await tx.delete(deviceMain).where(eq(id, ofId))
  return true
}

/** `Store.reportDevice`. */
export async function reportDevice(db: SqliteDatabase, ofId: number): Promise<DeviceReport | undefined> {
  const [device] = await deviceReports(db, eq(id, ofId))
  if (device === undefined) return undefined
  const sensors = await sensorReports(db, eq(deviceSensors.deviceUuid, device.uuid))
  return { ...device, sensors: sensors.map(({ uuid: _owner, ...sensor }) => sensor) }
}

/** `Store.reportDevices`. */
export async function reportDevices(db: SqliteDatabase): Promise<DeviceReport[]> {
  const devices = await deviceReports(db)
  const sensors = new Map<string, SensorReport[]>()
  for (const { uuid: owner, ...sensor } of await sensorReports(db)) {
    const others = sensors.get(owner)
    if (others === undefined) sensors.set(owner, [sensor])
    else others.push(sensor)
  }
  return devices.map((device) => ({ ...device, sensors: sensors.get(device.uuid) ?? [] }))
}

/** `Store.listDevices`. */
export async function listDevices(
  db: SqliteDatabase,
  { afterId, limit, isOnline, text }: DeviceQuery,
): Promise<DevicePage> {
  const [last] = await db
    .select({ id })
    .from(deviceMain)
    .where(gt(id, afterId))
    .orderBy(asc(id))
    .limit(1)
    .offset(DEVICES_LOOKED_AT - 1)
  const devices: DeviceSummary[] = await db
    .select(SUMMARY)
    .from(deviceMain)
    .where(
      and(
        gt(id, afterId),
        last === undefined ? undefined : lte(id, last.id),
        isOnline === undefined ? undefined : eq(deviceMain.isOnline, isOnline),
        text === undefined ? undefined : contains(text),
      ),
    )
    .orderBy(asc(id))
    .limit(limit)
  return devicePage(devices, limit, last?.id)
}

/** Letters beyond ASCII have to be in the same case: SQLite knows no other. */
function contains(text: string): SQL {
  const columns = [deviceMain.name, deviceId, uuid]
  const places = columns.map((column) => sql`instr(lower(${column}), lower(${text})) > 0`)
  return sql`(${sql.join(places, sql` OR `)})`
}

async function deviceReports(db: SqliteDatabase, where?: SQL): Promise<Omit<DeviceReport, 'sensors'>[]> {
  const rows = await db
    .select({ ...SUMMARY, last_report_data: deviceMain.lastReportData })
    .from(deviceMain)
    .where(where)
    .orderBy(asc(deviceId))
  return rows.map((row) => ({ ...row, last_report_data: parseReport(row.last_report_data) }))
}

async function sensorReports(db: SqliteDatabase, where?: SQL): Promise<(SensorReport & { uuid: string })[]> {
  const { deviceUuid, sensorName, sensorValue, sensorUnit, sensorType, timestamp } = deviceSensors
  return db
    .select({
      uuid: deviceUuid,
      sensor_name: sensorName,
      sensor_value: sensorValue,
      sensor_unit: sensorUnit,
      sensor_type: sensorType,
      timestamp,
    })
    .from(deviceSensors)
    .where(where)
    .orderBy(asc(deviceUuid), asc(sensorName))
}
