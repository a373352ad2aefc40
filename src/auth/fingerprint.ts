import { createHmac } from 'node:crypto'

/**
 * An HMAC-SHA-256 of `parts` in base64, by which a login can be told again without keeping its password. Each
 * part goes in behind its length, so that no two logins run together into the same bytes.
 */
export function fingerprintOf(secret: Buffer, ...parts: readonly (Buffer | string)[]): string {
  const hmac = createHmac('sha256', secret)
  for (const part of parts) {
    const bytes = Buffer.from(part)
    hmac.update(`${bytes.length}:`).update(bytes)
  }
  return hmac.digest('base64')
}
