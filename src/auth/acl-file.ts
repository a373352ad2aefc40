import { readFile } from 'node:fs/promises'
import { ConfigError } from '../config/config-error.js'
import { errorCode } from '../config/replace-file.js'
import { isTopicFilter } from '../mqtt/topic.js'

/** What a rule lets its user do with a topic, or keeps it from doing. */
export type AclAccess = 'read' | 'write' | 'readwrite' | 'deny'

/** One `topic` or `pattern` line. */
export interface AclRule {
  /** The line's number in its file, from 1. */
  readonly line: number
  readonly kind: 'topic' | 'pattern'
  readonly access: AclAccess
  /** Well formed; of a pattern, with `%u` and `%c` as they stand there. */
  readonly filter: string
}

/**
 * An access control list in Mosquitto's grammar (mosquitto.conf(5), `acl_file`), line by line:
 *
 * - `topic [read|write|readwrite|deny] FILTER`: for anonymous clients before the first `user` line, then for
 *   the user of the last one; without an access, `readwrite`;
 * - `user NAME`, which may hold blanks; blocks of one user add up;
 * - `pattern [read|write|readwrite|deny] FILTER`: for everyone, wherever it stands;
 * - lines that start with `#`, and blank ones.
 *
 * Words are separated by blanks, not by tabs, as in Mosquitto.
 */
export interface AclFile {
  readonly path: string
  /** Whether there is a file at all. */
  readonly exists: boolean
  readonly anonymous: readonly AclRule[]
  readonly users: ReadonlyMap<string, readonly AclRule[]>
  readonly patterns: readonly AclRule[]
  /** A sentence for each line that has no effect. */
  readonly warnings: readonly string[]
}

/** A byte-order mark, as its bytes in Latin-1: an editor's, not Mosquitto's. */
const BYTE_ORDER_MARK = '\u00ef\u00bb\u00bf'

/**
 * Reads an access control list; an absent one has no rules.
 *
 * @throws ConfigError ACL_FILE for a file that cannot be read, and for the first line that Mosquitto refuses
 *   as well; it names file, line and reason.
 */
export async function readAclFile(path: string): Promise<AclFile> {
  try {
    // One character a byte, so that a comment may be in any encoding.
    return parseAclFile(path, await readFile(path, 'latin1'))
  } catch (error) {
    if (error instanceof ConfigError) throw error
    if (errorCode(error) === 'ENOENT') return { ...parseAclFile(path, ''), exists: false }
    throw new ConfigError('ACL_FILE', `${path} cannot be read (${errorCode(error)}); check what it is`)
  }
}

/** The same from a file's bytes, each as the character of its number. */
export function parseAclFile(path: string, content: string): AclFile {
  const anonymous: AclRule[] = []
  const users = new Map<string, AclRule[]>()
  const patterns: AclRule[] = []
  const warnings: string[] = []
  let block = anonymous
  const text = content.startsWith(BYTE_ORDER_MARK) ? content.slice(BYTE_ORDER_MARK.length) : content
  for (const [index, bytes] of text.split('\n').entries()) {
    const parsed = parseLine(bytes, index + 1, (reason) => broken(path, index + 1, reason))
    if (parsed === undefined) continue
    if (parsed === 'not UTF-8') {
      warnings.push(`${path} line ${index + 1} is not UTF-8, so it applies to nobody and to no topic`)
      // Its block is nobody's, and not the one of the user before.
      if (/^ *user /.test(bytes)) block = []
    } else if ('user' in parsed) {
      block = users.get(parsed.user) ?? []
      users.set(parsed.user, block)
    } else {
      const list = parsed.kind === 'pattern' ? patterns : block
      list.push(parsed)
    }
  }
  return { path, exists: true, anonymous, users, patterns, warnings }
}

type Line = AclRule | { readonly user: string } | 'not UTF-8' | undefined

function parseLine(bytes: string, line: number, error: (reason: string) => ConfigError): Line {
  const text = fromUtf8(trimmed(bytes, 'end'))
  if (bytes.startsWith('#') || trimmed(bytes, 'end') === '') return undefined
  if (text === undefined) return 'not UTF-8'
  const [, keyword = '', rest = ''] = /^ *([^ ]+)(?: ([\s\S]*))?$/.exec(text) ?? []
  if (keyword === 'user') {
    const user = trimmed(rest, 'both')
    if (user === '') throw error('user names nobody')
    return { user }
  }
  if (keyword === 'topic' || keyword === 'pattern') return { line, kind: keyword, ...parseRule(rest, error) }
  throw error(`it starts with ${JSON.stringify(keyword)} instead of topic, pattern or user and a blank`)
}

function parseRule(rest: string, error: (reason: string) => ConfigError): Pick<AclRule, 'access' | 'filter'> {
  const [, first = '', second] = /^ *([^ ]*)(?: ([\s\S]*))?$/.exec(rest) ?? []
  if (first === '') throw error('it has no topic')
  // A single word is the topic, even if it is `read`.
  const access = second === undefined ? 'readwrite' : toAccess(first)
  const filter = second === undefined ? first : trimmed(second, 'both')
  if (access === undefined) {
    throw error(`${JSON.stringify(first)} is not read, write, readwrite or deny`)
  }
  if (!isTopicFilter(filter)) throw error(`${JSON.stringify(filter)} is no topic filter`)
  return { access, filter }
}

function toAccess(word: string): AclAccess | undefined {
  return (['read', 'write', 'readwrite', 'deny'] as const).find((access) => access === word)
}

function broken(path: string, line: number, reason: string): ConfigError {
  return new ConfigError('ACL_FILE', `${path} line ${line}: ${reason}; correct or delete that line`)
}

/** Without the blanks that C's isspace(3) knows, which are those that Mosquitto trims. */
function trimmed(text: string, where: 'end' | 'both'): string {
  const atEnd = text.replace(/[ \t\n\v\f\r]+$/, '')
  return where === 'end' ? atEnd : atEnd.replace(/^[ \t\n\v\f\r]+/, '')
}

function fromUtf8(bytes: string): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.from(bytes, 'latin1'))
  } catch {
    return undefined
  }
}
