import { createHmac, randomBytes } from 'node:crypto'
import { createLru } from '../cache/lru.js'
import { fingerprintOf } from './fingerprint.js'
import type { PasswordFile } from './password-file.js'
import { type PasswordHash, verifyPassword } from './password-hash.js'

/** The logins of a password file. */
export interface Passwords {
  /** Whether the file has this user, who is then to be let in by `verify` alone. */
  has(user: string): boolean
  /** The names of the users. */
  names(): Iterable<string>
  /** The user's hash as the file has it: another one means that a login before it no longer holds. */
  hashText(user: string): string | undefined
  /**
   * Whether this is the user's password; `false` for a user that the file does not have, after the same time
   * as for a wrong password. Also `false`, without a check, when the login's turn comes and `isWanted` says
   * that nobody waits for the answer any more.
   *
   * @throws PasswordsBusyError when too many logins are waiting already.
   */
  verify(user: string, password: Buffer, isWanted?: () => boolean): Promise<boolean>
}

/** Too many logins are waiting for their password to be checked; the client may try later. */
export class PasswordsBusyError extends Error {
  override readonly name = 'PasswordsBusyError'
  readonly code = 'PASSWORDS_BUSY'
}

/** Bounds on the checking of passwords; each has a default. */
export interface PasswordsOptions {
  /** How many passwords are checked at once. */
  readonly concurrency?: number
  /** How many more may wait for that. */
  readonly maxWaiting?: number
}

/** libuv's pool has 4 threads (UV_THREADPOOL_SIZE), which file and name look-ups need as well. */
const DEFAULT_CONCURRENCY = 2

/** At two times 85 ms the last of these waits for 85 s, longer than a client does; each holds its password. */
const DEFAULT_MAX_WAITING = 2000

/**
 * Unknown users have a line of their own, so that a thousand devices which the database does not know keep no
 * user waiting. Beyond this many they are told sooner that they are unknown.
 */
const MAX_UNKNOWN_WAITING = 100

/** Entries of some 100 bytes, one for each user and password in use; beyond, the oldest is checked again. */
const MAX_REMEMBERED = 10_000

/**
 * Checks passwords against those of `file`. A login that was right is remembered, as a hash under a key that
 * this process keeps to itself, so that many clients of one user cost one PBKDF2 or Argon2id; those that
 * arrive while it runs wait for it. A wrong one is not remembered, and costs as much each time.
 */
export function createPasswords(
  { users }: Pick<PasswordFile, 'users'>,
  { concurrency = DEFAULT_CONCURRENCY, maxWaiting = DEFAULT_MAX_WAITING }: PasswordsOptions = {},
): Passwords {
  const secret = randomBytes(32)
  const right = createLru<string, true>(MAX_REMEMBERED)
  const shared = createSharing(createLimit(concurrency, maxWaiting))
  const sharedByUnknown = createSharing(createLimit(1, MAX_UNKNOWN_WAITING))
  const standIn = createStandIn(users, secret)

  const check = async (user: string, password: Buffer, fingerprint: string): Promise<boolean> => {
    const hash = users.get(user)
    const isSame = await verifyPassword(hash ?? standIn(user), password)
    const isRight = isSame && hash !== undefined
    if (isRight) right.set(fingerprint, true)
    return isRight
  }

  return {
    has: (user) => users.has(user),
    names: () => users.keys(),
    hashText: (user) => users.get(user)?.text,
    verify: async (user, password, isWanted = () => true) => {
      const fingerprint = fingerprintOf(secret, user, users.get(user)?.text ?? '', password)
      if (right.get(fingerprint)) return true
      const compare = (): Promise<boolean> => check(user, password, fingerprint)
      if (users.has(user)) return shared(fingerprint, isWanted, compare)
      return sharedByUnknown(fingerprint, isWanted, compare).catch(() => false)
    },
  }
}

/**
 * The hash that an unknown user's password is checked against, for the time that it takes: one of the file's
 * own, always the same for a name, since files from Mosquitto mix costs of 1 and 1,000.
 */
function createStandIn(users: ReadonlyMap<string, PasswordHash>, secret: Buffer) {
  const hashes = [...users.values()]
  return (user: string): PasswordHash => {
    const number = createHmac('sha256', secret).update(user).digest().readUInt32BE(0)
    return hashes[number % hashes.length] ?? nobody
  }
}

/** Stands in when the file has no user at all; nothing hashes to zeros. */
const nobody: PasswordHash = {
  kind: 'pbkdf2',
  text: '',
  iterations: 100_000,
  salt: Buffer.alloc(12),
  key: Buffer.alloc(64),
}

/** A check that waits or runs, and whether anyone wants its answer: each login that shares it has its say. */
interface Check {
  readonly result: Promise<boolean>
  readonly wanted: (() => boolean)[]
}

/** Runs one check for all logins of one fingerprint, or none, when nobody wants it by the time it may start. */
function createSharing(limited: (task: () => Promise<boolean>) => Promise<boolean>) {
  const checks = new Map<string, Check>()
  return (fingerprint: string, isWanted: () => boolean, check: () => Promise<boolean>): Promise<boolean> => {
    const known = checks.get(fingerprint)
    if (known !== undefined) {
      known.wanted.push(isWanted)
      return known.result
    }
    if (!isWanted()) return Promise.resolve(false)
    const wanted = [isWanted]
    const forget = (): void => {
      if (checks.get(fingerprint)?.wanted === wanted) checks.delete(fingerprint)
    }
    const result = limited(async () => {
      if (wanted.some((isStillWanted) => isStillWanted())) return check()
      // In this very step, lest a login that arrives now, and is wanted, share this answer.
      forget()
      return false
    }).finally(forget)
    checks.set(fingerprint, { result, wanted })
    return result
  }
}

/** Runs `concurrency` tasks at a time in the order of their arrival; turns away those beyond `maxWaiting`. */
function createLimit(concurrency: number, maxWaiting: number) {
  const waiting: (() => void)[] = []
  let active = 0
  return async <T>(task: () => Promise<T>): Promise<T> => {
    if (active < concurrency) active++
    else if (waiting.length < maxWaiting) await new Promise<void>((resolve) => waiting.push(resolve))
    else throw new PasswordsBusyError(`${maxWaiting} logins are waiting already`)
    try {
      return await task()
    } finally {
      // A place goes straight to the next in line, so that no newcomer can slip in between.
      const next = waiting.shift()
      if (next === undefined) active--
      else next()
    }
  }
}
