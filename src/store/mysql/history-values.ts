import type { HistoryRow } from '../batch.js'
import { StoreError } from '../store-error.js'

/**
 * The rows as an INSERT lists them behind VALUES: `device_id, sensor_name, recorded_at, discriminator, value`. As JSON
 * for a JSON_TABLE they took 1.6 µs a row more of MariaDB, and the driver escaped all of it.
 *
 * @throws StoreError STORE_REJECTED for a value that is no finite number, and a key that is no integer: a spool that
 *   somebody wrote to can hold anything.
 */
export function historyValues(rows: readonly HistoryRow[], recordedAt: (timeMs: number) => string): string {
  return rows
    .map(({ deviceId, sensor, recordedAtMs, discriminator, value }) => {
      const time = recordedAt(recordedAtMs)
      return `(${integer(deviceId)},${textLiteral(sensor)},'${time}',${integer(discriminator)},${double(value)})`
    })
    .join(',')
}

/** What needs no escaping in any `sql_mode`, and nothing of which the driver takes for the place of a parameter. */
const PLAIN = /^\w*$/

/** Ingest lets no other name through; if one came, it would go in hexadecimal. */
function textLiteral(text: string): string {
  return PLAIN.test(text) ? `'${text}'` : `_utf8mb4 X'${Buffer.from(text).toString('hex')}'`
}

function integer(value: number): string {
  if (!Number.isSafeInteger(value)) throw new StoreError('STORE_REJECTED', `${value} is no integer to store`)
  return String(value)
}

/** A literal of type DOUBLE; without an exponent it would be a DECIMAL. */
function double(value: number): string {
  if (!Number.isFinite(value)) throw new StoreError('STORE_REJECTED', `${value} is no value to store`)
  const text = String(value)
  return text.includes('e') ? text : `${text}e0`
}
