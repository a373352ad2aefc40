import { atLatest } from '../clock/clock.js'

/** When something was measured, and whether the device or the server says so. */
export interface ReportTime {
  /** Epoch milliseconds, whole. */
  readonly timeMs: number
  /** `device`: the message's own time; sent twice, it is the same moment twice. */
  readonly clock: 'device' | 'server'
}

/** 2001-01-01T00:00:00Z in seconds: smaller numbers are an uptime, not a date. */
const FIRST_DATE_S = 978_307_200
const DAY_MS = 86_400_000
const MINUTE_MS = 60_000

const ISO_8601 =
  /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?\s*(Z|[+-]\d{2}(?::?\d{2})?)?)?$/i

/**
 * Reads a message's `timestamp`: ISO 8601 (without an offset: in the zone `zoneOffsetMinutes`), or epoch
 * seconds or milliseconds, as a number or as its text. All else means `nowMs`: nothing, an uptime, a date
 * before 2001, and a time over a day ahead. While our own clock is
 * not set, a device whose clock is set knows better.
 */
export function readReportTime(timestamp: unknown, nowMs: number, zoneOffsetMinutes: number): ReportTime {
  const timeMs = toEpochMs(timestamp, zoneOffsetMinutes)
  if (timeMs === undefined || timeMs < FIRST_DATE_S * 1000 || timeMs > atLatest(nowMs, DAY_MS)) {
    return { timeMs: nowMs, clock: 'server' }
  }
  return { timeMs, clock: 'device' }
}

function toEpochMs(timestamp: unknown, zoneOffsetMinutes: number): number | undefined {
  if (typeof timestamp === 'number') return fromNumber(timestamp)
  if (typeof timestamp !== 'string') return undefined
  const text = timestamp.trim()
  return /^\d{1,16}(\.\d{1,9})?$/.test(text) ? fromNumber(Number(text)) : fromIso(text, zoneOffsetMinutes)
}

function fromNumber(value: number): number | undefined {
  if (!Number.isFinite(value) || value < FIRST_DATE_S) return undefined
  return Math.floor(value < FIRST_DATE_S * 1000 ? value * 1000 : value)
}

function fromIso(text: string, zoneOffsetMinutes: number): number | undefined {
  const match = ISO_8601.exec(text)
  if (match === null) return undefined
  const [, year, month, day, hour = '0', minute = '0', second = '0', fraction = '0', offset] = match
  const parts = [year, month, day, hour, minute, second].map(Number)
  const [y = 0, mo = 0, d = 0, h = 0, mi = 0, s = 0] = parts
  const isInRange = mo >= 1 && mo <= 12 && d >= 1 && d <= daysIn(y, mo) && h <= 23 && mi <= 59 && s <= 60
  if (!isInRange) return undefined
  const local = Date.UTC(y, mo - 1, d, h, mi, s, Math.floor(Number(`0.${fraction}`) * 1000))
  return local - (offset === undefined ? zoneOffsetMinutes : offsetMinutes(offset)) * MINUTE_MS
}

function daysIn(year: number, month: number): number {
  return new Date(Date.UTC(year, month, 0)).getUTCDate()
}

function offsetMinutes(offset: string): number {
  if (offset.toUpperCase() === 'Z') return 0
  const digits = offset.slice(1).replace(':', '').padEnd(4, '0')
  const minutes = Number(digits.slice(0, 2)) * 60 + Number(digits.slice(2))
  return offset.startsWith('-') ? -minutes : minutes
}
