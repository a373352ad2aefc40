import { randomBytes } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { addressKey } from './address-key.js'
import { fingerprintOf } from './fingerprint.js'

/**
 * Logins that were right, each with the address that it came from (an IPv6 address as its /64, see
 * `addressKey`). Whoever repeats one has the password: the lockout need not hold it up, and so whoever has
 * not cannot lock a device out. A known login is to be checked like any other; its password may be an old one.
 */
export interface KnownLogins {
  has(user: string, password: Buffer, address: string): boolean
  /** Remembers a login that was right. */
  add(user: string, password: Buffer, address: string): void
  /** Forgets one that is right no more. */
  delete(user: string, password: Buffer, address: string): void
}

/** Entries of some 150 bytes: twice the connections that MAX_CONNECTIONS allows unless it is set. */
const DEFAULT_MAX_LOGINS = 20_000

/**
 * Remembers at most `maxLogins`, beyond which the one longest unused goes. A login is kept as an HMAC under a
 * key that this process keeps to itself, the password not at all; nothing outlasts the process.
 */
export function createKnownLogins(maxLogins: number = DEFAULT_MAX_LOGINS): KnownLogins {
  const secret = randomBytes(32)
  const known = new LRUCache<string, true>({ max: maxLogins })
  const fingerprint = (user: string, password: Buffer, address: string): string =>
    fingerprintOf(secret, user, password, addressKey(address))
  return {
    has: (user, password, address) => known.get(fingerprint(user, password, address)) === true,
    add(user, password, address) {
      known.set(fingerprint(user, password, address), true)
    },
    delete(user, password, address) {
      known.delete(fingerprint(user, password, address))
    },
  }
}
