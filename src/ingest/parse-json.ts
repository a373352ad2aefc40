import { isUtf8 } from 'node:buffer'
import type { Json } from '../store/batch.js'

/** Why a payload is no JSON. */
export type JsonFault = 'not-utf8' | 'bad-json' | 'too-deep'

/** Deeper than any message of the field, and shallow enough for every parser that will read it back. */
const MAX_DEPTH = 16

/** Far above what a device prints by hand, and short enough that repairing costs no one else their turn. */
const MAX_REPAIRED_LENGTH = 65_536

const BYTE_ORDER_MARK = '\uFEFF'

/**
 * Parses a payload as JSON, repairing it first where its intent is plain: a byte-order mark, `nan` and its
 * kin (which become null), Python's `True`, `False` and `None`, single quotes, unquoted names, trailing
 * commas, trailing NULs. Nothing is guessed: a message cut short stays rejected, since
 * its last number may be cut too.
 */
export function parseJson(payload: Buffer): { readonly value: Json } | { readonly fault: JsonFault } {
  if (!isUtf8(payload)) return { fault: 'not-utf8' }
  const text = payload.toString('utf8')
  let value = tryParse(text)
  if (value === undefined) {
    const repaired = repairJson(text)
    value = repaired === undefined ? undefined : tryParse(repaired)
  }
  if (value === undefined) return { fault: 'bad-json' }
  return isDeeperThan(value, MAX_DEPTH) ? { fault: 'too-deep' } : { value }
}

function tryParse(text: string): Json | undefined {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function isDeeperThan(value: Json, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  if (depth === 0) return true
  return Object.values(value).some((inner) => isDeeperThan(inner, depth - 1))
}

const BARE_WORDS = new Map([
  ['true', 'true'],
  ['false', 'false'],
  ['null', 'null'],
  ['none', 'null'],
  ['undefined', 'null'],
  ['nan', 'null'],
  ['inf', 'null'],
  ['infinity', 'null'],
])

const TOKEN =
  /\s+|"(?:[^"\\]|\\[\s\S])*"|'(?:[^'\\]|\\[\s\S])*'|-?\d[0-9.eE+-]*|[+-]?[A-Za-z_$][\w$]*(?:\(\w*\))?|[{}[\],:]/y

/**
 * Rewrites `text` token by token, in one pass without recursion; `undefined` where a token has no plain
 * meaning. `nan` may carry a sign and a payload, as C's printf writes it: `-nan`, `nan(0x8)`.
 */
function repairJson(text: string): string | undefined {
  if (text.length > MAX_REPAIRED_LENGTH) return undefined
  const tokens = tokenize(text.replace(BYTE_ORDER_MARK, '').replace(/\0+$/, ''))
  if (tokens === undefined) return undefined
  const repaired: string[] = []
  for (const [index, token] of tokens.entries()) {
    const next = tokens[index + 1]
    if (token === ',' && (next === '}' || next === ']')) continue
    const meaning = repairToken(token, next === ':')
    if (meaning === undefined) return undefined
    repaired.push(meaning)
  }
  return repaired.join('')
}

function tokenize(source: string): string[] | undefined {
  const tokens: string[] = []
  const token = new RegExp(TOKEN)
  while (token.lastIndex < source.length) {
    const found = token.exec(source)?.[0]
    if (found === undefined) return undefined
    if (found.trim() !== '') tokens.push(found)
  }
  return tokens
}

function repairToken(token: string, isName: boolean): string | undefined {
  if (token.startsWith("'")) return requote(token)
  if (!/^[+-]?[A-Za-z_$]/.test(token)) return token
  if (isName) return /^[A-Za-z_$]/.test(token) && !token.includes('(') ? JSON.stringify(token) : undefined
  return BARE_WORDS.get(token.replace(/^[+-]/, '').replace(/\(.*$/, '').toLowerCase())
}

/** A single-quoted string as a double-quoted one, its other escapes untouched. */
function requote(token: string): string {
  const inner = token.slice(1, -1).replace(/\\[\s\S]|"/g, (found) => {
    if (found === '"') return '\\"'
    return found === "\\'" ? "'" : found
  })
  return `"${inner}"`
}
