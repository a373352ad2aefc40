import { and, asc, eq, gt, inArray, lte, type SQL, sql } from 'drizzle-orm'
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
import type { MysqlDatabase } from './mysql-connections.js'
import { isDuplicateKey, noneIfUnlikeColumn } from './mysql-error.js'
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

/** Rows of the history to delete at a time: tens of milliseconds, so that locks and undo stay small. */
const REMOVE_AT_A_TIME = 10_000

/** `Store.findDevice`. */
export async function findDevice(db: MysqlDatabase, name: string): Promise<Device | undefined> {
  return (await findDevices(db, [name])).get(name)
}

/** `Store.findDevices`. */
export async function findDevices(
  db: MysqlDatabase,
  names: readonly string[],
): Promise<ReadonlyMap<string, Device>> {
  try {
    const found: Device[] = []
    // One statement for each index: a condition on both at once reads the whole table.
    for (const column of [uuid, deviceId]) {
      found.push(
        ...(await db
          .select(DEVICE)
          .from(deviceMain)
          .where(inArray(column, [...names]))),
      )
    }
    // The column's collation ignores case and trailing blanks; a name that grants access must not.
    return devicesByName(found, names)
  } catch (error) {
    noneIfUnlikeColumn(error)
    if (names.length <= 1) return new Map()
    const each = await Promise.all(names.map((name) => findDevices(db, [name])))
    return new Map(each.flatMap((one) => [...one]))
  }
}

/** `Store.addDevice`; STORE_CONFLICT when a name is taken. */
export async function addDevice(db: MysqlDatabase, device: NewDevice): Promise<Device> {
  try {
    const [result] = await db.execute(sql`
      INSERT INTO device_main (uuid, device_id, name, device_secret, is_online, is_active)
      VALUES (${device.uuid}, ${device.deviceId}, ${device.name}, ${device.secret}, 0, 1)`)
    const { uuid: itsUuid, deviceId: itsDeviceId, secret } = device
    return { id: result.insertId, uuid: itsUuid, deviceId: itsDeviceId, secret, isActive: true }
  } catch (error) {
    if (!isDuplicateKey(error)) throw error
    throw new StoreError(
      'STORE_CONFLICT',
      `uuid ${device.uuid} or device_id ${device.deviceId} is taken; choose another, or remove that device`,
    )
  }
}

/** `Store.setSecret`. */
export async function setSecret(db: MysqlDatabase, ofId: number, secret: string): Promise<boolean> {
  const [result] = await db.update(deviceMain).set({ deviceSecret: secret }).where(eq(id, ofId))
  // The driver asks for the rows found, so the same secret again counts too.
  return result.affectedRows > 0
}

/** Takes a device and its sensors out of their tables, in one transaction. */
export async function removeRows(tx: MysqlDatabase, ofId: number): Promise<boolean> {
  const [device] = await tx.select({ uuid }).from(deviceMain).where(eq(id, ofId)).for('update')
  if (device === undefined) return false
  await tx.delete(deviceSensors).where(eq(deviceSensors.deviceUuid, device.uuid))
  await tx.delete(deviceMain).where(eq(id, ofId))
  return true
}

/** Deletes some of a device's history; whether there may be more. */
export async function removeHistory(db: MysqlDatabase, ofId: number): Promise<boolean> {
  const { sensorName, recordedAt, discriminator } = deviceSensorHistory
  const [result] = await db
    .delete(deviceSensorHistory)
    .where(eq(deviceSensorHistory.deviceId, ofId))
    .orderBy(asc(sensorName), asc(recordedAt), asc(discriminator))
    .limit(REMOVE_AT_A_TIME)
  return result.affectedRows === REMOVE_AT_A_TIME
}

/** `Store.reportDevice`. */
export async function reportDevice(db: MysqlDatabase, ofId: number): Promise<DeviceReport | undefined> {
  const [device] = await deviceReports(db, eq(id, ofId))
  if (device === undefined) return undefined
  const sensors = await sensorReports(db, eq(deviceSensors.deviceUuid, device.uuid))
  return { ...device, sensors: sensors.map(({ uuid: _owner, ...sensor }) => sensor) }
}

/** `Store.reportDevices`. */
export async function reportDevices(db: MysqlDatabase): Promise<DeviceReport[]> {
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
  db: MysqlDatabase,
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

/** Also of columns whose character set lacks some of it, and whose collation tells cases apart. */
function contains(text: string): SQL {
  const columns = [deviceMain.name, deviceId, uuid]
  const places = columns.map((column) => sql`LOCATE(${text}, CONVERT(${column} USING utf8mb4)) > 0`)
  return sql`(${sql.join(places, sql` OR `)})`
}

async function deviceReports(db: MysqlDatabase, where?: SQL): Promise<Omit<DeviceReport, 'sensors'>[]> {
  const rows = await db
    .select({ ...SUMMARY, last_report_data: sql<string | null>`CAST(${deviceMain.lastReportData} AS CHAR)` })
    .from(deviceMain)
    .where(where)
    .orderBy(asc(deviceId))
  return rows.map((row) => ({ ...row, last_report_data: parseReport(row.last_report_data) }))
}

async function sensorReports(db: MysqlDatabase, where?: SQL): Promise<(SensorReport & { uuid: string })[]> {
  const { deviceUuid, sensorName, sensorValue, sensorUnit, sensorType, timestamp } = deviceSensors
  return db
    .select({
      uuid: deviceUuid,
      sensor_name: sensorName,
      sensor_value: sensorValue,
      sensor_unit: sql<string>`COALESCE(${sensorUnit}, '')`,
      sensor_type: sql<string>`COALESCE(${sensorType}, '')`,
      timestamp,
    })
    .from(deviceSensors)
    .where(where)
    .orderBy(asc(deviceUuid), asc(sensorName))
}
