import type { Batch, DeviceChange, HistoryRow, SensorChange } from '../store/batch.js'
import { mergePatch } from '../store/merge-patch.js'
import type { DeviceMessage } from './accepted.js'
import type { Reading } from './report.js'

/**
 * Merges reports, in the order of their arrival, into what they change together: each device once, each
 * sensor of a device once with its newest reading, and every reading for the history where `keepsHistory`.
 */
export function mergeBatch(reports: readonly DeviceMessage[], keepsHistory: boolean): Batch {
  const devices = new Map<number, DeviceChange>()
  const sensors = new Map<number, Map<string, SensorChange>>()
  const history: HistoryRow[] = []
  for (const accepted of reports) {
    const deviceId = accepted.device.id
    devices.set(deviceId, mergeDevice(devices.get(deviceId), accepted))
    const newest = sensors.get(deviceId) ?? new Map<string, SensorChange>()
    sensors.set(deviceId, newest)
    for (const reading of accepted.report.readings) {
      mergeSensor(newest, accepted, reading)
      if (keepsHistory) history.push(toHistoryRow(deviceId, reading))
    }
  }
  return {
    devices: [...devices.values()],
    sensors: [...sensors.values()].flatMap((newest) => [...newest.values()]),
    history,
  }
}

function mergeDevice(
  before: DeviceChange | undefined,
  { device, report, receivedAtMs }: DeviceMessage,
): DeviceChange {
  const { status, location, deviceStatus, ipAddress, firmwareVersion, isHeartbeat, isOnline } = report
  return {
    ...before,
    deviceId: device.id,
    seenAtMs: Math.max(before?.seenAtMs ?? 0, receivedAtMs),
    isOnline,
    ...(isHeartbeat
      ? { heartbeatAtMs: Math.max(before?.heartbeatAtMs ?? 0, receivedAtMs) }
      : {
          report: {
            ...before?.report,
            uploadedAtMs: receivedAtMs,
            ...(status === undefined ? {} : { status: mergePatch(before?.report?.status, status) }),
            ...(location === undefined ? {} : { location: mergePatch(before?.report?.location, location) }),
          },
        }),
    ...(deviceStatus === undefined ? {} : { deviceStatus }),
    ...(ipAddress === undefined ? {} : { ipAddress }),
    ...(firmwareVersion === undefined ? {} : { firmwareVersion }),
  }
}

function mergeSensor(newest: Map<string, SensorChange>, { device }: DeviceMessage, reading: Reading): void {
  const before = newest.get(reading.sensor)
  if (before !== undefined && before.recordedAtMs > reading.recordedAtMs) return
  newest.set(reading.sensor, {
    deviceId: device.id,
    deviceUuid: device.uuid,
    sensor: reading.sensor,
    value: reading.value,
    unit: reading.unit,
    type: reading.type,
    recordedAtMs: reading.recordedAtMs,
  })
}

function toHistoryRow(deviceId: number, reading: Reading): HistoryRow {
  return {
    deviceId,
    sensor: reading.sensor,
    recordedAtMs: reading.recordedAtMs,
    discriminator: reading.discriminator,
    value: Number(reading.value),
  }
}
