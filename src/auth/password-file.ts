import { readFile } from 'node:fs/promises'
import { ConfigError } from '../config/config-error.js'
import { errorCode, replaceFile } from '../config/replace-file.js'
import { explainUnreadableHash, type PasswordHash, parsePasswordHash } from './password-hash.js'

/**
 * A password file in Mosquitto's format (mosquitto.conf(5), `password_file`): a line `user:hash` for each
 * user; lines that start with `#` and blank ones are skipped; blanks around name and hash do not count, nor
 * does a further `:` and what follows it. One comment means something here: `# administrator: NAME`.
 *
 * Like Mosquitto 2.1, and other than 2.0, it is refused for a hash that cannot be read and for a second line
 * of one user; a line that names no possible user is skipped.
 */
export interface PasswordFile {
  /** Whether there is a file at all. */
  readonly exists: boolean
  readonly users: ReadonlyMap<string, PasswordHash>
  /** The user whom the comment names; `undefined` without a comment, and when the file has no such user. */
  readonly administrator: string | undefined
  /** A sentence for each line that is skipped and is neither blank nor a comment: file, line and reason. */
  readonly warnings: readonly string[]
}

type Line =
  | { readonly kind: 'other' }
  | { readonly kind: 'skipped'; readonly reason: string }
  | { readonly kind: 'administrator'; readonly name: string }
  | { readonly kind: 'user'; readonly name: string; readonly hash: PasswordHash }

/** [MQTT-1.5.3]: what a client can send. Mosquitto skips longer ones too. */
const MAX_NAME_BYTES = 65_535

/** A byte-order mark and a line, as their bytes in Latin-1: see `linesOf`. */
const BYTE_ORDER_MARK = '\u00ef\u00bb\u00bf'

/**
 * Reads a password file; an absent one has no users.
 *
 * @throws ConfigError PASSWORD_FILE for a file that cannot be read, and for the first line that names a user
 *   for the second time or whose hash cannot be read; it names file and line, not the hash.
 */
export async function readPasswordFile(path: string): Promise<PasswordFile> {
  return parseFile(path, await contentOf(path))
}

/**
 * Gives `user` the password behind `hash` (see `hashPassword`), in place of an old one or at the end of the
 * file; every other line stays as it is. The file is made where there is none.
 *
 * @throws ConfigError PASSWORD_FILE as `readPasswordFile` does, or when the file cannot be written.
 */
export async function setPassword(path: string, user: string, hash: string): Promise<'added' | 'changed'> {
  const content = await contentOf(path)
  const lines = linesOf(content)
  const entry = Buffer.from(`${user}:${hash}`).toString('latin1')
  const isNew = !parseFile(path, content).users.has(user)
  await write(path, isNew ? [...lines, entry] : lines.map((line) => (isEntryOf(user, line) ? entry : line)))
  return isNew ? 'added' : 'changed'
}

/**
 * Removes a user, and leaves every other line as it is; `false` when there is no such user.
 *
 * @throws ConfigError PASSWORD_FILE as `setPassword` does.
 */
export async function deleteUser(path: string, user: string): Promise<boolean> {
  const content = await contentOf(path)
  if (!parseFile(path, content).users.has(user)) return false
  await write(
    path,
    linesOf(content).filter((line) => !isEntryOf(user, line)),
  )
  return true
}

/**
 * What keeps `name` from being a user's, completing "a user name …"; `undefined` when nothing does. The
 * length is MQTT's [MQTT-1.5.3]; Mosquitto trims names, and takes a line that starts with # for a comment.
 */
export function userNameProblem(name: string): string | undefined {
  const bytes = Buffer.from(name)
  if (bytes.length === 0 || bytes.length > MAX_NAME_BYTES) return `has 1 to ${MAX_NAME_BYTES} bytes`
  if (bytes.toString() !== name) return 'is UTF-8'
  if (name.includes(':')) return 'has no colon'
  if (/\p{Cc}/u.test(name)) return 'has no control characters'
  if (/^\s|\s$/.test(name)) return 'does not start or end with a blank'
  return name.startsWith('#') ? 'does not start with #' : undefined
}

function parseFile(path: string, content: string | undefined): PasswordFile {
  const users = new Map<string, PasswordHash>()
  const warnings: string[] = []
  let named: string | undefined
  for (const [index, text] of linesOf(content).entries()) {
    const place = `${path} line ${index + 1}`
    const line = parseLine(text, place)
    if (line.kind === 'user') {
      if (users.has(line.name)) throw broken(place, `${JSON.stringify(line.name)} is there twice`)
      users.set(line.name, line.hash)
    } else if (line.kind === 'administrator') {
      if (named !== undefined) throw broken(place, 'a second administrator is named')
      named = line.name
    } else if (line.kind === 'skipped') warnings.push(`${place} is skipped: ${line.reason}`)
  }
  const isUser = named !== undefined && users.has(named)
  return { exists: content !== undefined, users, administrator: isUser ? named : undefined, warnings }
}

function parseLine(line: string, place: string): Line {
  if (trimmed(line) === '') return { kind: 'other' }
  if (line.startsWith('#')) {
    const name = /^#\s*administrator:(.*)$/s.exec(line)?.[1]
    const decoded = name === undefined ? undefined : fromUtf8(trimmed(name))
    return decoded === undefined ? { kind: 'other' } : { kind: 'administrator', name: decoded }
  }
  return line.includes(':') ? parseEntry(line, place) : { kind: 'skipped', reason: 'it has no colon' }
}

function parseEntry(line: string, place: string): Line {
  // Mosquitto takes the fields apart with strtok(3), for which several colons are one, and leading ones none.
  const [first = '', second = ''] = line.split(':').filter((field) => field !== '')
  const [bytes, text] = [trimmed(first), trimmed(second)]
  const hash = parsePasswordHash(text)
  // Without a name in front, the first field is most often a hash, which is not to be quoted as a name.
  const isNameless = bytes === '' || (line.startsWith(':') && hash === undefined)
  if (isNameless) return { kind: 'skipped', reason: 'the user name is empty' }
  if (bytes.length > MAX_NAME_BYTES) {
    return { kind: 'skipped', reason: `the user name has more than ${MAX_NAME_BYTES} bytes` }
  }
  const name = fromUtf8(bytes)
  if (name === undefined) return { kind: 'skipped', reason: 'the user name is not UTF-8' }
  if (hash !== undefined) return { kind: 'user', name, hash }
  throw broken(place, `the password of ${JSON.stringify(name)} ${explainUnreadableHash(text)}`)
}

function isEntryOf(user: string, text: string): boolean {
  const line = parseLine(text, '')
  return line.kind === 'user' && line.name === user
}

function broken(place: string, reason: string): ConfigError {
  return new ConfigError(
    'PASSWORD_FILE',
    `${place}: ${reason}; correct or delete that line, then \`damselfly passwd set USER\``,
  )
}

/** The file as one character a byte, so that a comment in any encoding is written back as it was. */
async function contentOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'latin1')
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw new ConfigError('PASSWORD_FILE', `${path} cannot be read (${errorCode(error)}); check what it is`)
  }
}

function linesOf(content: string | undefined): string[] {
  if (content === undefined) return []
  const text = content.startsWith(BYTE_ORDER_MARK) ? content.slice(BYTE_ORDER_MARK.length) : content
  const lines = text.split('\n')
  if (lines.at(-1) === '') lines.pop()
  return lines
}

async function write(path: string, lines: readonly string[]): Promise<void> {
  const data = Buffer.from(lines.map((line) => `${line}\n`).join(''), 'latin1')
  try {
    await replaceFile(path, data)
  } catch (error) {
    throw new ConfigError(
      'PASSWORD_FILE',
      `${path} cannot be written (${errorCode(error)}); check its folder`,
    )
  }
}

/** Without the blanks that C's isspace(3) knows, which are those that Mosquitto trims. */
function trimmed(text: string): string {
  return text.replace(/^[ \t\n\v\f\r]+|[ \t\n\v\f\r]+$/g, '')
}

function fromUtf8(bytes: string): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.from(bytes, 'latin1'))
  } catch {
    return undefined
  }
}
