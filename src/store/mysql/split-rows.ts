import { escape as quote } from 'mysql2'
import { encodeJson } from '../encode-json.js'
import { StoreError } from '../store-error.js'

/** Room for what surrounds the rows in a statement: the longest has under 3,000 characters. */
export const STATEMENT_BYTES = 4096

/** What every device's messages fit in; a server that takes less has a wrong setting, and no message is to blame. */
const LEAST_PACKET_BYTES = 16_384

/**
 * The rows as texts for one statement each, JSON unless `encode` makes others, none of which takes more than a quarter of
 * `maxPacketBytes` as long as its rows can be split.
 *
 * @param maxPacketBytes the server's `max_allowed_packet`: it hangs up on a longer statement, which looks
 *   like a lost connection and would be tried again for ever.
 * @throws StoreError STORE_REJECTED for a single row that is over the whole of it; STORE_UNAVAILABLE where the
 *   server takes less than 16 KiB at all.
 */
export function* splitRows<T>(
  rows: readonly T[],
  maxPacketBytes: number,
  encode: (rows: readonly T[]) => string = encodeJson,
): Generator<string> {
  if (rows.length === 0) return
  const text = encode(rows)
  // In a quoted literal no byte becomes more than two.
  if (2 * Buffer.byteLength(text) + STATEMENT_BYTES <= maxPacketBytes / 4) {
    yield text
  } else if (rows.length > 1) {
    const half = rows.length >>> 1
    yield* splitRows(rows.slice(0, half), maxPacketBytes, encode)
    yield* splitRows(rows.slice(half), maxPacketBytes, encode)
  } else {
    const bytes = Buffer.byteLength(quote(text)) + STATEMENT_BYTES
    if (bytes > maxPacketBytes) {
      throw new StoreError(
        maxPacketBytes < LEAST_PACKET_BYTES ? 'STORE_UNAVAILABLE' : 'STORE_REJECTED',
        `one row takes a statement of ${bytes} bytes; the server's max_allowed_packet is ${maxPacketBytes}`,
      )
    }
    yield text
  }
}
