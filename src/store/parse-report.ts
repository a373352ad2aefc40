import type { Json } from './batch.js'

/** `last_report_data` as it stands in its column, parsed; null for what is no JSON. */
export function parseReport(text: string | null): Json {
  if (text === null) return null
  try {
    return JSON.parse(text)
  } catch {
    // The platform may have written anything; a report of a device shows what can be shown.
    return null
  }
}
