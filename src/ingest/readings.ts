import type { Json, JsonObject } from '../store/batch.js'
import type { DecodeContext, Omission, Omitted, Reading } from './report.js'
import { type ReportTime, readReportTime } from './report-time.js'

/** More than any device has, and few enough that one message cannot fill a transaction. */
const MAX_READINGS = 256

/** The columns `sensor_name`, `sensor_unit` and `sensor_type` hold this much. */
const MAX_NAME_LENGTH = 50
const MAX_UNIT_LENGTH = 20
const MAX_TYPE_LENGTH = 50

const SENSOR_NAME = /^[a-z_][a-z0-9_]*$/
const NOT_SENSORS = new Set(['device_id', 'sensor', 'sensors', 'timestamp', 'status', 'location'])

/** The firmware's names, by its `sensor`, for what the platform's readers ask for under another one. */
const RENAMED = new Map([
  ['DS18B20', new Map([['temperature', 'ds18b20']])],
  [
    'RAIN_SENSOR',
    new Map([
      ['is_raining', 'rain'],
      ['level', 'rain_level'],
    ]),
  ],
])

/** A candidate reading, wherever in the message it stood. */
interface Candidate {
  readonly name: string
  readonly value: Json | undefined
  readonly unit: Json | undefined
  readonly time: ReportTime
}

/**
 * The readings of a `data` message: the entries of its `sensors` (the HTTP API's form) and every other
 * member that is no part of the envelope (the firmware's and the simple form). What is no reading goes to
 * `omissions`, and does not stop the rest; `undefined` when there are more than 256.
 */
export function readReadings(
  message: JsonObject,
  context: DecodeContext,
  omissions: Omitted[],
): Reading[] | undefined {
  const omit = (what: Omission, name: string): void => {
    omissions.push({ what, name: name.slice(0, MAX_NAME_LENGTH) })
  }
  const candidates = [...flatCandidates(message, context), ...listedCandidates(message, context, omit)]
  if (candidates.length > MAX_READINGS) return undefined
  const type = readText(message['sensor'], MAX_TYPE_LENGTH)
  if (type === undefined) omit('bad-type', 'sensor')
  const readings: Reading[] = []
  for (const candidate of candidates) {
    const reading = toReading(candidate, type ?? '', context, omit)
    if (reading !== undefined) readings.push(reading)
  }
  return readings
}

function flatCandidates(message: JsonObject, context: DecodeContext): Candidate[] {
  const { sensor } = message
  const renamed = typeof sensor === 'string' ? RENAMED.get(sensor) : undefined
  const time = readTime(message['timestamp'], context)
  return Object.entries(message)
    .filter(([name]) => !NOT_SENSORS.has(name))
    .map(([name, value]) => ({ name: renamed?.get(name) ?? name, value, unit: undefined, time }))
}

function listedCandidates(
  message: JsonObject,
  context: DecodeContext,
  omit: (what: Omission, name: string) => void,
): Candidate[] {
  const { sensors } = message
  if (sensors === undefined) return []
  if (!isList(sensors)) {
    omit('bad-sensor-entry', 'sensors')
    return []
  }
  const candidates: Candidate[] = []
  for (const entry of sensors) {
    const name = isRecord(entry) ? entry['sensor_name'] : undefined
    if (!isRecord(entry) || typeof name !== 'string') {
      omit('bad-sensor-entry', 'sensors')
      continue
    }
    const time = readTime(entry['timestamp'] ?? message['timestamp'], context)
    candidates.push({ name, value: entry['value'], unit: entry['unit'], time })
  }
  return candidates
}

function toReading(
  candidate: Candidate,
  type: string,
  context: DecodeContext,
  omit: (what: Omission, name: string) => void,
): Reading | undefined {
  const { name, value, time } = candidate
  if (name.length > MAX_NAME_LENGTH || !SENSOR_NAME.test(name)) {
    omit('bad-sensor-name', name)
    return undefined
  }
  if (typeof value !== 'boolean' && !(typeof value === 'number' && Number.isFinite(value))) {
    omit('bad-sensor-value', name)
    return undefined
  }
  const unit = readText(candidate.unit, MAX_UNIT_LENGTH)
  if (unit === undefined) omit('bad-unit', name)
  return {
    sensor: name,
    value,
    unit: unit ?? '',
    type,
    recordedAtMs: time.timeMs,
    discriminator: time.clock === 'server' ? context.nextDiscriminator() : hashNumber(Number(value)),
  }
}

function readTime(timestamp: Json | undefined, context: DecodeContext): ReportTime {
  return readReportTime(timestamp, context.receivedAtMs, context.zoneOffsetMinutes)
}

/** An absent text is the empty one; `undefined` for what is no text or too long. */
function readText(text: Json | undefined, maxLength: number): string | undefined {
  if (text === undefined || text === null) return ''
  return typeof text === 'string' && text.length <= maxLength && !/\p{Cc}/u.test(text) ? text : undefined
}

/**
 * 32 bits of a double: a reading with the device's own time is told from another of that moment by its
 * value alone, so that the same reading sent twice is stored once.
 */
function hashNumber(value: number): number {
  const [low = 0, high = 0] = new Uint32Array(new Float64Array([value === 0 ? 0 : value]).buffer) // -0 is 0
  return (Math.imul(low, 0x9e3779b1) ^ high) >>> 0
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value)
}

function isRecord(value: Json): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
