import { randomUUID } from 'node:crypto'
import type { Batch, DeviceChange, HistoryRow, SensorChange } from '#src/store/batch.js'
import type { Device } from '#src/store/device.js'
import type { Store } from '#src/store/store.js'

/** Adds a device with names of its own. */
export function addAnyDevice(store: Store): Promise<Device> {
  const uuid = randomUUID()
  return store.addDevice({ uuid, deviceId: `AIOT-${uuid.slice(0, 8)}`, name: 'a device', secret: 'secret' })
}

/** A batch of what is given, and nothing else. */
export function batchOf(part: Partial<Batch>): Batch {
  return { devices: [], sensors: [], history: [], ...part }
}

/** A sign of life of a device at `atMs`. */
export function seen(device: Device, atMs: number, more: Partial<DeviceChange> = {}): DeviceChange {
  return { deviceId: device.id, seenAtMs: atMs, isOnline: true, ...more }
}

/** The newest reading of a device's sensor. */
export function newest(
  device: Device,
  sensor: string,
  value: number | boolean,
  recordedAtMs: number,
  more: Partial<SensorChange> = {},
): SensorChange {
  return {
    deviceId: device.id,
    deviceUuid: device.uuid,
    sensor,
    value,
    unit: '',
    type: '',
    recordedAtMs,
    ...more,
  }
}

/** A reading for the history. */
export function reading(
  device: Device,
  sensor: string,
  value: number,
  recordedAtMs: number,
  discriminator = 0,
): HistoryRow {
  return { deviceId: device.id, sensor, recordedAtMs, discriminator, value }
}

/** A reading as it goes to all three tables. */
export function report(device: Device, sensor: string, value: number, atMs: number): Batch {
  return {
    devices: [seen(device, atMs)],
    sensors: [newest(device, sensor, value, atMs)],
    history: [reading(device, sensor, value, atMs)],
  }
}
