import type { AclRule } from './acl-file.js'

/** Whom a decision is about; what `%u` and `%c` stand for. */
export interface Names {
  /** `undefined` for an anonymous client, for whom `%u` stands for nothing. */
  readonly user: string | undefined
  readonly clientId: string
}

/** What a rule is looked up for. `deny` rules answer only to that. */
export type Wanted = 'read' | 'write' | 'deny'

/**
 * Rules as a tree of topic levels, so that a look-up walks the levels of one topic, however many rules there
 * are (MQTT 3.1.1, section 4.7). Where several rules match, the first of the file is found.
 */
export interface RuleTree {
  /** The first rule that matches the topic, given by its levels. */
  match(levels: readonly string[], wanted: Wanted, names: Names): AclRule | undefined
  /** Whether one rule matches every topic that the filter matches, given by its levels. */
  covers(levels: readonly string[], wanted: Wanted, names: Names): boolean
  /** The filters, with names put in, of rules that match some topic which the filter matches. */
  overlapping(levels: readonly string[], wanted: Wanted, names: Names): Iterable<readonly string[]>
  /** Whether there is any rule that wants this. */
  has(wanted: Wanted): boolean
}

/** The first rule of the file for each thing that may be wanted. */
type First = Partial<Record<Wanted, AclRule>>

/** What leads from one level to the next: its text, `+`, or what `%u` and `%c` stand for. */
type Step = string | typeof USER | typeof CLIENT

interface Node {
  /** Rules whose filter ends here. */
  readonly here: First
  /** Rules whose filter ends in `#` below here, which match what ends here as well [MQTT-4.7.1-2]. */
  readonly below: First
  readonly next: Map<Step, Node>
}

const USER = Symbol('%u')
const CLIENT = Symbol('%c')

/** Builds a tree of rules, in the order of the file. */
export function createRuleTree(rules: readonly AclRule[]): RuleTree {
  const root = newNode()
  for (const rule of rules) insert(root, rule)
  return {
    match: (levels, wanted, names) => match(root, levels, 0, wanted, names),
    covers: (levels, wanted, names) => covers(root, levels, 0, wanted, names),
    overlapping: (levels, wanted, names) => overlapping(root, levels, [], { wanted, names }),
    has: (wanted) => rules.some((rule) => wants(rule).includes(wanted)),
  }
}

function newNode(): Node {
  return { here: {}, below: {}, next: new Map() }
}

function wants({ access }: AclRule): readonly Wanted[] {
  return access === 'readwrite' ? ['read', 'write'] : [access]
}

function insert(root: Node, rule: AclRule): void {
  const levels = rule.filter.split('/')
  const isOpen = levels.at(-1) === '#'
  let node = root
  for (const level of isOpen ? levels.slice(0, -1) : levels) {
    const step = rule.kind === 'pattern' ? toStep(level) : level
    const next = node.next.get(step) ?? newNode()
    node.next.set(step, next)
    node = next
  }
  for (const wanted of wants(rule)) (isOpen ? node.below : node.here)[wanted] ??= rule
}

/** Mosquitto puts names only in the place of whole levels. */
function toStep(level: string): Step {
  if (level === '%u') return USER
  return level === '%c' ? CLIENT : level
}

function match(
  node: Node,
  levels: readonly string[],
  index: number,
  wanted: Wanted,
  names: Names,
): AclRule | undefined {
  const level = levels[index]
  // A filter that begins with a wildcard matches no topic that begins with `$` [MQTT-4.7.2-1]; nor does one
  // that begins with a name, which Mosquitto judges by how it is written.
  const isReserved = index === 0 && level?.startsWith('$') === true
  let found = isReserved ? undefined : node.below[wanted]
  if (level === undefined) return earlier(found, node.here[wanted])
  for (const next of isReserved ? [node.next.get(level)] : nextOf(node, level, names)) {
    if (next !== undefined) found = earlier(found, match(next, levels, index + 1, wanted, names))
  }
  return found
}

function nextOf(node: Node, level: string, { user, clientId }: Names): readonly (Node | undefined)[] {
  if (node.next.size === 0) return []
  return [
    node.next.get(level),
    level === '+' ? undefined : node.next.get('+'),
    level === user && level !== '' ? node.next.get(USER) : undefined,
    level === clientId && level !== '' ? node.next.get(CLIENT) : undefined,
  ]
}

function earlier(one: AclRule | undefined, other: AclRule | undefined): AclRule | undefined {
  if (one === undefined || other === undefined) return one ?? other
  return one.line <= other.line ? one : other
}

function covers(node: Node, levels: readonly string[], index: number, wanted: Wanted, names: Names): boolean {
  const level = levels[index]
  const isReserved = index === 0 && level?.startsWith('$') === true
  if (!isReserved && node.below[wanted] !== undefined) return true
  if (level === undefined) return node.here[wanted] !== undefined
  if (level === '#') return false
  const nodes = isReserved ? [node.next.get(level)] : nextOf(node, level, names)
  return nodes.some((next) => next !== undefined && covers(next, levels, index + 1, wanted, names))
}

/** `above` are the levels on the way from the root to `node`. */
function* overlapping(
  node: Node,
  levels: readonly string[],
  above: readonly string[],
  search: { readonly wanted: Wanted; readonly names: Names },
): Generator<readonly string[]> {
  const isHashed = levels.at(-1) === '#' && above.length >= levels.length - 1
  const level = isHashed ? '#' : levels[above.length]
  const isReserved = above.length === 0 && level?.startsWith('$') === true
  if (node.below[search.wanted] !== undefined && !isReserved) yield [...above, '#']
  if ((level === undefined || level === '#') && node.here[search.wanted] !== undefined) yield above
  if (level === undefined) return
  for (const [step, next] of node.next) {
    const text = textOf(step, search.names)
    const isWild = level === '+' || level === '#'
    // As in `match`: a wildcard, or a name put in, in the first level meets nothing that begins with `$`.
    const isHidden = above.length === 0 && text?.startsWith('$') === true && (isWild || text !== step)
    if (text === undefined || isHidden) continue
    if (isWild || level === text || (text === '+' && !isReserved)) {
      yield* overlapping(next, levels, [...above, text], search)
    }
  }
}

/** `undefined` for a name that nobody has. */
function textOf(step: Step, { user, clientId }: Names): string | undefined {
  if (step === USER) return user === '' ? undefined : user
  if (step === CLIENT) return clientId === '' ? undefined : clientId
  return typeof step === 'string' ? step : undefined
}
