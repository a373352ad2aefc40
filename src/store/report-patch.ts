import type { DeviceReportChange, Json, JsonObject, SensorChange } from './batch.js'
import { encodeJson } from './encode-json.js'
import { StoreError } from './store-error.js'

/** MariaDB's JSON functions give NULL for documents of over 32 levels, which would wipe the report. */
const MAX_REPORT_LEVELS = 28

/** The merge patch (RFC 7396) that puts readings into `last_report_data.sensors`, each under its name. */
export function sensorsPatch(changes: readonly SensorChange[], iso: (timeMs: number) => string): string {
  // Without a prototype, a sensor named `__proto__` is a key like any other.
  const sensors: Record<string, Json> = Object.create(null)
  for (const { sensor, value, unit, recordedAtMs } of changes) {
    sensors[sensor] = { value, unit, timestamp: iso(recordedAtMs) }
  }
  return encodeJson({ sensors })
}

/**
 * The merge patch for what a device said beside its sensors.
 *
 * @throws StoreError STORE_REJECTED for objects nested so deeply that a database would refuse the result.
 */
export function reportPatch(
  deviceId: number,
  report: DeviceReportChange,
  iso: (timeMs: number) => string,
): string {
  checkDepth(deviceId, report)
  const { status, location } = report
  return encodeJson({ status, location, upload_timestamp: iso(report.uploadedAtMs) })
}

/** @throws StoreError STORE_REJECTED for objects nested so deeply that a database would refuse the result. */
export function checkDepth(deviceId: number, { status, location }: DeviceReportChange): void {
  checkPart(deviceId, 'status', status)
  checkPart(deviceId, 'location', location)
}

function checkPart(deviceId: number, name: string, part: JsonObject | undefined): void {
  if (part === undefined || !isDeeperThan(MAX_REPORT_LEVELS, part)) return
  throw new StoreError(
    'STORE_REJECTED',
    `${name} of device ${deviceId} is nested over ${MAX_REPORT_LEVELS} levels deep; send it flatter`,
  )
}

function isDeeperThan(levels: number, value: Json): boolean {
  if (typeof value !== 'object' || value === null) return false
  return levels === 0 || Object.values(value).some((inner) => isDeeperThan(levels - 1, inner))
}
