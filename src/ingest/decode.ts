import { isIP } from 'node:net'
import type { Json, JsonObject } from '../store/batch.js'
import { parseJson } from './parse-json.js'
import { readReadings } from './readings.js'
import type { DecodeContext, Decoded, Omission, Omitted } from './report.js'
import type { ReportKind } from './route.js'

/**
 * Decodes the payload of a device topic. Pure; docs/messages.md has the forms. A fault of ours
 * that a payload brings to light rejects that message, and does not end the process; `failed` is told of it.
 */
export function decodeReport(
  kind: ReportKind,
  payload: Buffer,
  context: DecodeContext,
  failed: (error: unknown) => void,
): Decoded {
  try {
    return decodeUnguarded(kind, payload, context)
  } catch (error) {
    failed(error)
    return { rejected: 'server-fault', omissions: [] }
  }
}

function decodeUnguarded(kind: ReportKind, payload: Buffer, context: DecodeContext): Decoded {
  if (kind === 'heartbeat' && payload.length === 0) return heartbeat
  const parsed = parseJson(payload)
  if ('fault' in parsed) return { rejected: parsed.fault, omissions: [] }
  const { value: message } = parsed
  if (!isObject(message)) return { rejected: 'not-an-object', omissions: [] }
  if (kind === 'heartbeat') return heartbeat
  return kind === 'status' ? decodeStatus(message) : decodeData(message, context)
}

const heartbeat: Decoded = { report: { readings: [], isHeartbeat: true, isOnline: true }, omissions: [] }

function decodeData(message: JsonObject, context: DecodeContext): Decoded {
  const omissions: Omitted[] = []
  const readings = readReadings(message, context, omissions)
  if (readings === undefined) return { rejected: 'too-many-sensors', omissions }
  const status = isObject(message['status']) ? message['status'] : undefined
  const location = readLocation(message['location'], omissions)
  if (readings.length === 0 && status === undefined && location === undefined) {
    return { rejected: 'nothing-to-store', omissions }
  }
  return {
    report: {
      readings,
      isHeartbeat: false,
      isOnline: true,
      ...(status === undefined ? {} : { status }),
      ...(location === undefined ? {} : { location }),
    },
    omissions,
  }
}

/** `device_id` and `timestamp` are the message's envelope (the latter an uptime): all else is the status. */
function decodeStatus(message: JsonObject): Decoded {
  const omissions: Omitted[] = []
  const status = Object.fromEntries(
    Object.entries(message).filter(([name]) => name !== 'device_id' && name !== 'timestamp'),
  )
  const column = (name: string, what: Omission, accepts: (text: string) => boolean): string | undefined => {
    const text = message[name]
    if (typeof text !== 'string') return undefined
    if (accepts(text)) return text
    omissions.push({ what, name })
    return undefined
  }
  const deviceStatus = column('status', 'bad-status-text', (text) => isPrintable(text, 20))
  const ipAddress = column('ip_address', 'bad-ip-address', (text) => isIP(text) !== 0 && text.length <= 45)
  const firmwareVersion = column('firmware_version', 'bad-firmware-version', (text) => isPrintable(text, 20))
  const { status: said } = message
  // Not by `String`, which throws for an object that has a member `toString`.
  const saysOffline = (typeof said === 'string' && /^offline$/i.test(said)) || message['online'] === false
  return {
    report: {
      readings: [],
      isHeartbeat: false,
      isOnline: !saysOffline,
      status,
      ...(deviceStatus === undefined ? {} : { deviceStatus }),
      ...(ipAddress === undefined ? {} : { ipAddress }),
      ...(firmwareVersion === undefined ? {} : { firmwareVersion }),
    },
    omissions,
  }
}

function readLocation(location: Json | undefined, omissions: Omitted[]): JsonObject | undefined {
  if (location === undefined || location === null) return undefined
  if (isObject(location)) {
    const { latitude, longitude } = location
    if (isWithin(latitude, 90) && isWithin(longitude, 180)) return location
  }
  omissions.push({ what: 'bad-location', name: 'location' })
  return undefined
}

function isWithin(degrees: Json | undefined, bound: number): boolean {
  return typeof degrees === 'number' && degrees >= -bound && degrees <= bound
}

function isPrintable(text: string, maxLength: number): boolean {
  return text.length > 0 && text.length <= maxLength && !/\p{Cc}/u.test(text)
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
