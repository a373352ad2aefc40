import { randomBytes } from 'node:crypto'
import { createLru } from '../cache/lru.js'
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

/** Bounds of the memory; each has a default. */
export interface KnownLoginsOptions {
  readonly maxLogins?: number
  readonly clock?: { now(): number }
}

/** Entries of some 150 bytes: twice the connections that MAX_CONNECTIONS allows unless it is set. */
const DEFAULT_MAX_LOGINS = 20_000

/**
 * Who shares its address with a device could go on guessing here while the lockout refuses it. More guesses
 * than this in a minute, and the device has to wait like everyone else: a hundred times what a client does
 * that has a wrong password and tries again each second or so, and too few to find one that is any good.
 */
const MAX_GUESSES = 1000
const GUESSES_WITHIN_MS = 60_000

interface Guesses {
  count: number
  sinceMs: number
}

/**
 * Remembers at most `maxLogins`, beyond which the one longest unused goes. A login is kept as a hash under a
 * key that this process keeps to itself, the password not at all; nothing outlasts the process.
 */
export function createKnownLogins({
  maxLogins = DEFAULT_MAX_LOGINS,
  clock = performance,
}: KnownLoginsOptions = {}): KnownLogins {
  const secret = randomBytes(32)
  const known = createLru<string, true>(maxLogins)
  /** By user and address, of those with a known login: only there is something to be found out. */
  const guesses = createLru<string, Guesses>(maxLogins)
  const pairOf = (user: string, address: string): string => fingerprintOf(secret, user, addressKey(address))
  const fingerprint = (user: string, password: Buffer, address: string): string =>
    fingerprintOf(secret, user, password, addressKey(address))

  return {
    has(user, password, address) {
      const made = guesses.get(pairOf(user, address))
      if (made === undefined) return false
      if (clock.now() - made.sinceMs >= GUESSES_WITHIN_MS)
        Object.assign(made, { count: 0, sinceMs: clock.now() })
      if (made.count >= MAX_GUESSES) return false
      if (known.get(fingerprint(user, password, address)) === true) return true
      made.count += 1
      return false
    },
    add(user, password, address) {
      const pair = pairOf(user, address)
      known.set(fingerprint(user, password, address), true)
      if (!guesses.has(pair)) guesses.set(pair, { count: 0, sinceMs: clock.now() })
    },
    delete(user, password, address) {
      known.delete(fingerprint(user, password, address))
    },
  }
}
