import { randomBytes } from 'node:crypto'
import { ConfigError } from '../config/config-error.js'
import { replaceFile } from '../config/replace-file.js'
import { readPasswordFile, setPassword, userNameProblem } from './password-file.js'
import { hashPassword, verifyPassword } from './password-hash.js'

/** What decides who the administrator is. */
export interface AdministratorSettings {
  /** The password file. */
  readonly path: string
  /** `MQTT_USERNAME`. */
  readonly username: string | undefined
  /** `MQTT_PASSWORD`. */
  readonly password: string | undefined
}

/** The one user who may read and write everything. */
export interface Administrator {
  /** `undefined`: nobody is. */
  readonly name: string | undefined
  /** The password of an administrator made just now, to be shown once: only its hash is kept. */
  readonly madePassword?: string
}

const FIRST_NAME = 'admin'

/** 24 characters of base64url, which need no quotes in a shell or a sketch. */
const FIRST_PASSWORD_BYTES = 18

/**
 * The start of a new password file. Every comment holds a colon with text behind it: at one that does not,
 * mosquitto_passwd 2.0.11 takes the file for corrupt, drops the rest of it, and reports success.
 */
const FIRST_COMMENTS = [
  '# User names and password hashes: one user a line, as mosquitto_passwd and damselfly passwd write them.',
  '# Whom the next line names: that user may read and write everything. Remove the line and nobody may.',
  `# administrator: ${FIRST_NAME}`,
]

/**
 * Finds the administrator, and makes the login where that is asked for.
 *
 * - name and password given: that user, made, or given that password if it has another;
 * - name alone: that user, who has to exist;
 * - neither, and no password file: a new user `admin` in a new file, whose comment makes it the administrator;
 * - neither, and a password file: whom the file's comment names, if anyone. A file that comes from Mosquitto
 *   has no such comment, so it makes nobody an administrator.
 *
 * @throws ConfigError CONFIG_CONFLICT for a password without a name and for a name alone that is no user's,
 *   CONFIG_VALUE for a name that no user can have, PASSWORD_FILE as `readPasswordFile` does.
 */
export async function ensureAdministrator(settings: AdministratorSettings): Promise<Administrator> {
  const { path, username, password } = settings
  if (username !== undefined) return fromSettings(path, username, password)
  if (password !== undefined) {
    throw new ConfigError(
      'CONFIG_CONFLICT',
      'MQTT_PASSWORD is set without MQTT_USERNAME; set both or neither',
    )
  }
  const file = await readPasswordFile(path)
  return file.exists ? { name: file.administrator } : makeFirst(path)
}

/** @throws ConfigError CONFIG_VALUE for a `MQTT_USERNAME` that no user can have. */
export function checkAdministratorName(name: string): void {
  const problem = userNameProblem(name)
  if (problem === undefined) return
  throw new ConfigError('CONFIG_VALUE', `MQTT_USERNAME = ${JSON.stringify(name)}; a user name ${problem}`)
}

async function fromSettings(
  path: string,
  name: string,
  password: string | undefined,
): Promise<Administrator> {
  checkAdministratorName(name)
  const { users } = await readPasswordFile(path)
  const hash = users.get(name)
  if (password === undefined) {
    if (hash !== undefined) return { name }
    const what = `MQTT_USERNAME = ${JSON.stringify(name)} is no user of ${path}`
    throw new ConfigError('CONFIG_CONFLICT', `${what}; set MQTT_PASSWORD too, or \`damselfly passwd set\` it`)
  }
  const isCurrent = hash !== undefined && (await verifyPassword(hash, password))
  if (!isCurrent) await setPassword(path, name, await hashPassword(password))
  return { name }
}

async function makeFirst(path: string): Promise<Administrator> {
  const bytes = randomBytes(FIRST_PASSWORD_BYTES)
  // One bit less keeps the first character a letter: after a leading dash a program would look for an option.
  bytes.writeUInt8(bytes.readUInt8(0) & 0x7f, 0)
  const madePassword = bytes.toString('base64url')
  const entry = `${FIRST_NAME}:${await hashPassword(madePassword)}`
  try {
    await replaceFile(path, [...FIRST_COMMENTS, entry, ''].join('\n'))
  } catch (error) {
    throw new ConfigError('PASSWORD_FILE', `${path} cannot be written (${String(error)}); check its folder`)
  }
  return { name: FIRST_NAME, madePassword }
}
