import { createHash, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import { type Argon2idHash, deriveArgon2id, parseArgon2id } from './argon2id.js'

const derive = promisify(pbkdf2)

/**
 * A password as Mosquitto's password file keeps it (mosquitto_passwd(1)): `$6$salt$key`, where the key is
 * SHA-512 over password and salt, or `$7$iterations$salt$key`, where it is PBKDF2-HMAC-SHA512. Salt and key
 * are base64 with padding; the key has 64 bytes. Since 2.1 also `$argon2id$…`.
 */
export type PasswordHash =
  | { readonly kind: 'sha512'; readonly text: string; readonly salt: Buffer; readonly key: Buffer }
  | {
      readonly kind: 'pbkdf2'
      readonly text: string
      readonly iterations: number
      readonly salt: Buffer
      readonly key: Buffer
    }
  | Argon2idHash

const KEY_BYTES = 64

/** Mosquitto 2.0 writes 12 bytes, and drops every entry whose salt has another length; 2.1 takes 12 and 64. */
const SALT_BYTES = 12

/**
 * About 85 ms of one core (Node 20, the CI machine). Damselfly pays it once a user and start, since it
 * remembers a verified login; Mosquitto, which reads the same file, stops for it at every connection, so
 * OWASP's 210,000 would be too much there. Mosquitto's own 101 are no obstacle to a thief of the file.
 */
const NEW_HASH_ITERATIONS = 100_000

/** Some 8 s of one core: no file can occupy the thread pool for longer with one login. */
const MAX_ITERATIONS = 10_000_000

/** A salt of several kilobytes is a damaged file, not a password. */
const MAX_SALT_BYTES = 1024

/** Reads a hash in one of Mosquitto's three formats; `undefined` when it is neither or out of bounds. */
export function parsePasswordHash(text: string): PasswordHash | undefined {
  const [before, type, ...fields] = text.split('$')
  if (before !== '') return undefined
  if (type === 'argon2id') {
    const hash = parseArgon2id(text)
    return typeof hash === 'string' ? undefined : hash
  }
  if (type === '6' && fields.length === 2) {
    const parts = saltAndKey(fields[0], fields[1])
    return parts && { kind: 'sha512', text, ...parts }
  }
  if (type === '7' && fields.length === 3) {
    const iterations = iterationCount(fields[0])
    const parts = saltAndKey(fields[1], fields[2])
    return iterations === undefined ? undefined : parts && { kind: 'pbkdf2', text, iterations, ...parts }
  }
  return undefined
}

/** Completes "the password …" for a text that `parsePasswordHash` refused, without quoting any of it. */
export function explainUnreadableHash(text: string): string {
  if (!text.startsWith('$')) return 'is not hashed'
  const [, type = '', iterations] = text.split('$')
  if (type === 'argon2i' || type === 'argon2d') return `is hashed with ${type}; only argon2id is read`
  const argon2id = type === 'argon2id' ? parseArgon2id(text) : undefined
  if (typeof argon2id === 'string') return argon2id
  if (type === '7' && iterationCount(iterations) === undefined) {
    return `has an iteration count outside 1 to ${MAX_ITERATIONS}`
  }
  if (type === '6' || type === '7') return `is a damaged $${type}$ hash`
  return 'is hashed in a format other than $6$, $7$ and $argon2id$'
}

/**
 * Whether `password` is the one behind `hash`, in the same time either way; PBKDF2 and Argon2id run in the
 * thread pool.
 */
export async function verifyPassword(hash: PasswordHash, password: Buffer | string): Promise<boolean> {
  return timingSafeEqual(await keyOf(password, hash), hash.key)
}

/** Hashes a password as `$7$`, with a salt of its own, for Damselfly and Mosquitto alike. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(SALT_BYTES)
  const key = await derive(password, salt, NEW_HASH_ITERATIONS, KEY_BYTES, 'sha512')
  return `$7$${NEW_HASH_ITERATIONS}$${salt.toString('base64')}$${key.toString('base64')}`
}

async function keyOf(password: Buffer | string, hash: PasswordHash): Promise<Buffer> {
  switch (hash.kind) {
    case 'sha512':
      return createHash('sha512').update(password).update(hash.salt).digest()
    case 'pbkdf2':
      return derive(password, hash.salt, hash.iterations, KEY_BYTES, 'sha512')
    case 'argon2id':
      return deriveArgon2id(hash, password)
  }
}

function iterationCount(text: string | undefined): number | undefined {
  if (text === undefined || !/^[1-9]\d{0,7}$/.test(text)) return undefined
  const count = Number(text)
  return count <= MAX_ITERATIONS ? count : undefined
}

function saltAndKey(salt: string | undefined, key: string | undefined) {
  const parts = { salt: fromBase64(salt), key: fromBase64(key) }
  if (parts.salt === undefined || parts.salt.length > MAX_SALT_BYTES) return undefined
  if (parts.key === undefined || parts.key.length !== KEY_BYTES) return undefined
  return { salt: parts.salt, key: parts.key }
}

/** Node skips what is not base64: a damaged text shows in that it does not come out as it went in. */
function fromBase64(text: string | undefined): Buffer | undefined {
  if (text === undefined || text === '') return undefined
  const bytes = Buffer.from(text, 'base64')
  return bytes.toString('base64') === text ? bytes : undefined
}
