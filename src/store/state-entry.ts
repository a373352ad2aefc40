import type { Batch, DeviceChange, SensorChange } from './batch.js'
import { checkDepth } from './report-patch.js'
import { StoreError } from './store-error.js'

/** An entry of the log of state: what the state tables did not have when it was written. */
export interface LoggedState {
  readonly id: number
  readonly batch: Batch
}

/**
 * What one batch changes of one device, as short as it can be, since it is written with every message: its id, when it
 * was seen (epoch ms), what else there is to know of it, and its sensors. `0`: it is online and reported then; `null`:
 * only its sensors change.
 */
export type StatePart = readonly [
  deviceId: number,
  seenAtMs: number,
  change: DeviceChange | 0 | null,
  ...sensors: SensorPart[],
]

/** A reading of the time when the device was seen, without unit and type; or with all of these. */
type SensorPart =
  | readonly [sensor: string, value: number | boolean]
  | readonly [sensor: string, value: number | boolean, recordedAtMs: number, unit: string, type: string]

/**
 * What a batch changes beside the history.
 *
 * @throws StoreError STORE_REJECTED for what the state tables would refuse: later nobody can be told.
 */
export function stateParts({ devices, sensors }: Batch): StatePart[] {
  const parts = new Map<number, [number, number, DeviceChange | 0 | null, ...SensorPart[]]>()
  for (const change of devices) {
    const { deviceId, seenAtMs, report } = change
    if (report !== undefined) checkDepth(deviceId, report)
    parts.set(deviceId, [deviceId, seenAtMs, isPlain(change) ? 0 : change])
  }
  for (const change of sensors) {
    const part = parts.get(change.deviceId)
    if (part === undefined) parts.set(change.deviceId, [change.deviceId, 0, null, sensorPart(change, 0)])
    else part.push(sensorPart(change, part[1]))
  }
  return [...parts.values()]
}

/**
 * The parts of which `text`, row `id` of the log, is JSON.
 *
 * @throws StoreError STORE_SCHEMA naming the row when it is not of this form.
 */
export function parseStateParts(id: number, text: string): readonly StatePart[] {
  const parts = parseJson(text)
  if (Array.isArray(parts) && parts.every(isStatePart)) return parts
  throw new StoreError(
    'STORE_SCHEMA',
    `row ${id} of device_state_log is none of this version's; let the version that wrote it start once, or delete it`,
  )
}

/** The batch that parts were made of; it may be late by now. A device whose `uuid` is not known is left out. */
export function batchOfParts(parts: readonly StatePart[], uuids: ReadonlyMap<number, string>): Batch {
  const present = parts.flatMap(([deviceId, seenAtMs, change, ...sensors]) => {
    const deviceUuid = uuids.get(deviceId)
    return deviceUuid === undefined ? [] : [{ deviceId, deviceUuid, seenAtMs, change, sensors }]
  })
  return {
    devices: present.flatMap(({ deviceId, seenAtMs, change }): DeviceChange[] => {
      if (change === null) return []
      const said =
        change === 0 ? { deviceId, seenAtMs, isOnline: true, report: { uploadedAtMs: seenAtMs } } : change
      return [{ ...said, mayHaveLeft: true }]
    }),
    sensors: present.flatMap(({ deviceId, deviceUuid, seenAtMs, sensors }) =>
      sensors.map(
        ([sensor, value, recordedAtMs = seenAtMs, unit = '', type = '']): SensorChange => ({
          deviceId,
          deviceUuid,
          sensor,
          value,
          unit,
          type,
          recordedAtMs,
        }),
      ),
    ),
    history: [],
    mayBeLate: true,
  }
}

/** Whether a change says no more than that the device reported readings when it was seen. */
function isPlain(change: DeviceChange): boolean {
  const { isOnline, seenAtMs, heartbeatAtMs, report } = change
  if (!isOnline || heartbeatAtMs !== undefined || report?.uploadedAtMs !== seenAtMs) return false
  if (report.status !== undefined || report.location !== undefined) return false
  return [change.deviceStatus, change.ipAddress, change.firmwareVersion].every((text) => text === undefined)
}

function sensorPart({ sensor, value, unit, type, recordedAtMs }: SensorChange, seenAtMs: number): SensorPart {
  const isShort = recordedAtMs === seenAtMs && unit === '' && type === ''
  return isShort ? [sensor, value] : [sensor, value, recordedAtMs, unit, type]
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function isStatePart(part: unknown): part is StatePart {
  if (!Array.isArray(part)) return false
  const [deviceId, seenAtMs, change, ...sensors] = part
  return (
    typeof deviceId === 'number' &&
    typeof seenAtMs === 'number' &&
    (change === 0 || change === null || isDeviceChange(change)) &&
    sensors.every(isSensorPart)
  )
}

function isDeviceChange(change: unknown): boolean {
  if (typeof change !== 'object' || change === null) return false
  return 'deviceId' in change && 'seenAtMs' in change && 'isOnline' in change
}

function isSensorPart(part: unknown): boolean {
  if (!Array.isArray(part)) return false
  const [sensor, value, recordedAtMs, unit, type] = part
  const isReading = typeof sensor === 'string' && (typeof value === 'number' || typeof value === 'boolean')
  if (part.length === 2) return isReading
  return (
    isReading && typeof recordedAtMs === 'number' && [unit, type].every((text) => typeof text === 'string')
  )
}
