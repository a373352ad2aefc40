const MINUTE_MS = 60_000

/** A DATETIME in a zone `offsetMinutes` east of UTC, to the second: `2026-11-22 14:30:00`. */
export function formatDateTime(timeMs: number, offsetMinutes: number): string {
  return shifted(timeMs, offsetMinutes).slice(0, 19).replace('T', ' ')
}

/** The same to the millisecond: `2026-11-22 14:30:00.125`. */
export function formatDateTimeMs(timeMs: number, offsetMinutes: number): string {
  return shifted(timeMs, offsetMinutes).slice(0, 23).replace('T', ' ')
}

/** ISO 8601 with the zone's offset; a fraction only where there is one: `2026-11-22T14:30:00+08:00`. */
export function formatIso(timeMs: number, offsetMinutes: number): string {
  const local = shifted(timeMs, offsetMinutes)
  const end = timeMs % 1000 === 0 ? 19 : 23
  return local.slice(0, end) + formatOffset(offsetMinutes)
}

/** Epoch milliseconds of a DATETIME text, to the second or to the millisecond. */
export function parseDateTime(text: string, offsetMinutes: number): number {
  return Date.parse(`${text.replace(' ', 'T')}Z`) - offsetMinutes * MINUTE_MS
}

function shifted(timeMs: number, offsetMinutes: number): string {
  return new Date(timeMs + offsetMinutes * MINUTE_MS).toISOString()
}

function formatOffset(offsetMinutes: number): string {
  const minutes = Math.abs(offsetMinutes)
  const pad = (value: number): string => String(value).padStart(2, '0')
  return `${offsetMinutes < 0 ? '-' : '+'}${pad(Math.floor(minutes / 60))}:${pad(minutes % 60)}`
}
