/**
 * A password as mosquitto_passwd 2.1 can keep it: Argon2id (RFC 9106) as a PHC string,
 * `$argon2id$v=19$m=47104,t=1,p=1$salt$key`, where salt and key are base64 without padding.
 */
export interface Argon2idHash {
  readonly kind: 'argon2id'
  readonly text: string
  /** `m`: memory in KiB. */
  readonly memoryKib: number
  /** `t`: how many times the memory is gone through. */
  readonly passes: number
  /** `p`: lanes, which may run side by side. */
  readonly lanes: number
  readonly salt: Buffer
  readonly key: Buffer
}

/** 1 GiB, libsodium's "sensitive". Each login that is checked takes this much beside the heap. */
const MAX_MEMORY_KIB = 1_048_576

/** RFC 9106, section 3.1: a lane has at least this much memory. */
const MIN_MEMORY_KIB_A_LANE = 8

/** Far above RFC 9106's 1 to 3: passes stand in for memory only where there is none. */
const MAX_PASSES = 100

/** Memory times passes: some 8 s of one core, the bound that `$7$` has as well. */
const MAX_WORK_KIB = 16_777_216

/** Lanes beyond the cores of a large machine help nobody; the package takes 255. */
const MAX_LANES = 64

/** RFC 9106 asks for 8 bytes at the least; mosquitto_passwd writes 64. Kilobytes of it are a damaged file. */
const SALT_BYTES = { min: 8, max: 1024 }

/** With fewer than 12 bytes (PHC string format, "hash output") strangers' passwords begin to fit by chance. */
const KEY_BYTES = { min: 12, max: 1024 }

/** Reads a text that starts with `$argon2id$`; where it cannot be read, what completes "the password …". */
export function parseArgon2id(text: string): Argon2idHash | string {
  const [, , version, parameters = '', saltText, keyText, ...more] = text.split('$')
  if (keyText === undefined || more.length > 0)
    return problem('with other fields than v, m,t,p, salt and key')
  if (version !== 'v=19') return problem('of another version than 19')
  // The format fixes their order; what may follow them, keyid and data, asks for a secret that no file has.
  const match = /^m=(0|[1-9]\d{0,9}),t=(0|[1-9]\d{0,9}),p=(0|[1-9]\d{0,9})$/.exec(parameters)
  if (match === null) return problem('with other parameters than m, t and p')
  const costs = { memoryKib: Number(match[1]), passes: Number(match[2]), lanes: Number(match[3]) }
  const tooMuch = costsProblem(costs)
  if (tooMuch !== undefined) return problem(tooMuch)
  const salt = fromBase64(saltText, SALT_BYTES)
  if (salt === undefined) return problem(`whose salt is not ${SALT_BYTES.min} to ${SALT_BYTES.max} bytes`)
  const key = fromBase64(keyText, KEY_BYTES)
  if (key === undefined) return problem(`whose key is not ${KEY_BYTES.min} to ${KEY_BYTES.max} bytes`)
  return { kind: 'argon2id', text, ...costs, salt, key }
}

/**
 * The key of `password` with the salt and the costs of `hash`, in libuv's thread pool.
 *
 * Not the package's `verify`, which refuses a password that is not UTF-8 (MQTT 3.1.1, section 3.1.3.5); its defaults are
 * Argon2id and version 19. The package is loaded by the first such login: it costs every start 30 ms and
 * 12 MB (Node 20), and most files need none of it.
 */
export async function deriveArgon2id(hash: Argon2idHash, password: Buffer | string): Promise<Buffer> {
  const { hashRaw } = await import('@node-rs/argon2')
  return hashRaw(password, {
    memoryCost: hash.memoryKib,
    timeCost: hash.passes,
    parallelism: hash.lanes,
    outputLen: hash.key.length,
    salt: hash.salt,
  })
}

function problem(which: string): string {
  return `is an $argon2id$ hash ${which}`
}

function costsProblem({
  memoryKib,
  passes,
  lanes,
}: Pick<Argon2idHash, 'memoryKib' | 'passes' | 'lanes'>): string | undefined {
  if (lanes < 1 || lanes > MAX_LANES) return `whose p is outside 1 to ${MAX_LANES}`
  if (passes < 1 || passes > MAX_PASSES) return `whose t is outside 1 to ${MAX_PASSES}`
  const least = MIN_MEMORY_KIB_A_LANE * lanes
  if (memoryKib < least || memoryKib > MAX_MEMORY_KIB)
    return `whose m is outside ${least} to ${MAX_MEMORY_KIB}`
  return memoryKib * passes > MAX_WORK_KIB ? `whose m times t is over ${MAX_WORK_KIB}` : undefined
}

/** Node skips what is not base64: a damaged text shows in that it does not come out as it went in. */
function fromBase64(text: string | undefined, length: { min: number; max: number }): Buffer | undefined {
  const bytes = Buffer.from(text ?? '', 'base64')
  const isSame = bytes.toString('base64').replace(/=+$/, '') === text
  return isSame && bytes.length >= length.min && bytes.length <= length.max ? bytes : undefined
}
