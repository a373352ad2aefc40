import { createHash } from 'node:crypto'
import { createLru } from '../cache/lru.js'
import { createEnding, type Ending, type EndingSource } from '../ending/ending.js'
import { addressKey } from './address-key.js'
import {
  type Attempt,
  type AttemptLimit,
  createAttemptLimit,
  type Delay,
  type LockoutSettings,
} from './attempt-limit.js'

/** Slows, then refuses, the logins of an address or a user name after too many failures. */
export interface Lockout {
  /**
   * Waits until a login may be checked; `undefined`: it is refused unchecked, or its connection has
   * ended. `user` is `undefined` where the address alone counts.
   */
  enter(
    login: { readonly user: string | undefined; readonly address: string },
    ending: Ending,
  ): Promise<Attempt | undefined>
  /** Ends all waiting, and refuses every further login. */
  stop(): void
}

/**
 * Told once when logins become refused: of an address in the form of `addressKey`, or of a user name, which
 * stands as `sha256:` and its digest in base64 where it is long.
 */
export type RefusalListener = (kind: 'address' | 'user', key: string) => void

/** Bounds of a lockout and what it tells the time by; each has a default. */
export interface LockoutOptions {
  /** Addresses whose failures are remembered while none of their logins is on its way; and user names. */
  readonly maxKeys?: number
  /** Logins of one address, and of one user name, that may wait; one more is refused, and does not count. */
  readonly maxWaiting?: number
  readonly clock?: { now(): number }
  readonly delay?: Delay
}

/** Entries of about 1 KB, 20 MB in all when both addresses and user names are that many. */
const DEFAULT_MAX_KEYS = 10_000

/** All connections that MAX_CONNECTIONS allows unless it is set, behind one address. */
const DEFAULT_MAX_WAITING = 10_000

/**
 * One character less than a digest has with its prefix: so no name is mistaken for another's digest. A name
 * may have 64 KB [MQTT-1.5.3], too much to keep; a uuid has 36 characters.
 */
const LONGEST_KEPT_NAME = 50

/**
 * A login has to be let in by the limit of its address and then by that of its user name, always in this
 * order, so that no two logins wait for each other. A right login takes nothing back: whoever guesses may
 * well have a login of their own. What keeps a device from being locked out by others is `KnownLogins`.
 */
export function createLockout(
  settings: LockoutSettings,
  onRefused: RefusalListener,
  options: LockoutOptions = {},
): Lockout {
  const addresses = createLimits(settings, options, (key) => onRefused('address', key))
  const users = createLimits(settings, options, (key) => onRefused('user', key))
  const entering = new Set<EndingSource>()
  let isStopped = false

  const pass = async (user: string | undefined, address: string, ending: Ending) => {
    const ofAddress = await addresses.enter(addressKey(address), ending)
    if (ofAddress === undefined || user === undefined) return ofAddress
    const ofUser = await users.enter(userKey(user), ending)
    if (ofUser === undefined) ofAddress.end('undecided')
    return ofUser && both(ofUser, ofAddress)
  }

  return {
    async enter({ user, address }, ending) {
      if (ending.hasEnded || isStopped) return undefined
      const waits = createEnding()
      const end = (): void => waits.end()
      ending.onEnd(end)
      entering.add(waits)
      try {
        return await pass(user, address, waits)
      } finally {
        entering.delete(waits)
        ending.offEnd(end)
      }
    },
    stop() {
      isStopped = true
      for (const waits of entering) waits.end()
    },
  }
}

/**
 * A limit for each key. One whose logins are on their way stays as long as they do, and there are no more of
 * these than connections; of the others, those with failures are remembered, the most recently used.
 */
function createLimits(settings: LockoutSettings, options: LockoutOptions, onRefused: (key: string) => void) {
  const { maxKeys = DEFAULT_MAX_KEYS, maxWaiting = DEFAULT_MAX_WAITING } = options
  const { clock = performance, delay = wait } = options
  const busy = new Map<string, AttemptLimit>()
  const idle = createLru<string, AttemptLimit>(maxKeys)

  const create = (key: string): AttemptLimit => {
    const now = () => clock.now()
    return createAttemptLimit({ settings, maxWaiting, now, delay, onRefused: () => onRefused(key) })
  }

  const settle = (key: string, limit: AttemptLimit): void => {
    if (limit.isBusy() || busy.get(key) !== limit) return
    busy.delete(key)
    if (limit.hasFailures()) idle.set(key, limit)
  }

  return {
    async enter(key: string, ending: Ending): Promise<Attempt | undefined> {
      const limit = busy.get(key) ?? idle.get(key) ?? create(key)
      busy.set(key, limit)
      idle.delete(key)
      const attempt = await limit.enter(ending)
      if (attempt === undefined) settle(key, limit)
      return (
        attempt && {
          end(outcome) {
            attempt.end(outcome)
            settle(key, limit)
          },
        }
      )
    },
  }
}

function both(first: Attempt, second: Attempt): Attempt {
  return {
    end(outcome) {
      first.end(outcome)
      second.end(outcome)
    },
  }
}

function userKey(user: string): string {
  if (user.length <= LONGEST_KEPT_NAME) return user
  return `sha256:${createHash('sha256').update(user).digest('base64')}`
}

function wait(ms: number, ending: Ending): Promise<void> {
  return new Promise((resolve) => {
    const leave = (): void => {
      clearTimeout(timer)
      ending.offEnd(leave)
      resolve()
    }
    const timer = setTimeout(leave, ms)
    if (ending.hasEnded) leave()
    else ending.onEnd(leave)
  })
}
