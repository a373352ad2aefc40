import { hash } from 'node:crypto'

/**
 * A hash of `parts` under `secret` in base64, by which a login can be told again without keeping its password. Each
 * part goes in behind its length, so that no two logins run together into the same bytes. SHA-512/256 can not be
 * continued from its result, so that the secret in front makes it a keyed one; `createHmac` makes an object that the
 * garbage collector has to find, and in a burst of logins that is what an HMAC costs.
 */
export function fingerprintOf(secret: Buffer, ...parts: readonly (Buffer | string)[]): string {
  const pieces = [secret]
  for (const part of parts) {
    const bytes = Buffer.from(part)
    pieces.push(Buffer.from(`${bytes.length}:`), bytes)
  }
  return hash('sha512-256', Buffer.concat(pieces), 'base64')
}
