import { RequestError } from './request-error.js'

/** From `fromMs` (included) to `toMs` (excluded), epoch ms. */
export interface TimeRange {
  readonly fromMs: number
  readonly toMs: number
}

const DAY_MS = 86_400_000

/** A leap year. */
const MAX_DAYS = 366

/** Where the zone begins with a blank, it was a plus sign that the query did not encode. */
const ISO_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?(?:Z|[+\- ]\d\d:\d\d)$/
const EPOCH_MS = /^\d{1,15}$/

/** The first day that is told from an epoch in seconds, and the last of four digits. */
const FIRST_MS = Date.UTC(1971, 0, 1)
const LAST_MS = Date.UTC(9999, 0, 1)

/**
 * The range that two texts mean; the day before `to` without a `from`, and up to now without a `to`.
 *
 * @throws RequestError 400
 */
export function timeRange(from: string | undefined, to: string | undefined, nowMs: number): TimeRange {
  const toMs = to === undefined ? nowMs : timeOf('to', to)
  const fromMs = from === undefined ? toMs - DAY_MS : timeOf('from', from)
  if (fromMs >= toMs) throw new RequestError(400, 'query parameter from must be a time before to')
  if (toMs - fromMs > MAX_DAYS * DAY_MS) {
    throw new RequestError(400, `query parameter from must be at most ${MAX_DAYS} days before to`)
  }
  return { fromMs, toMs }
}

function timeOf(name: string, text: string): number {
  const timeMs = EPOCH_MS.test(text)
    ? Number(text)
    : ISO_TIME.test(text)
      ? Date.parse(text.replace(' ', '+'))
      : Number.NaN
  if (timeMs >= FIRST_MS && timeMs <= LAST_MS) return timeMs
  throw new RequestError(
    400,
    `query parameter ${name} must be a time with its zone, such as 2026-01-31T12:00:00Z, or epoch milliseconds`,
  )
}
