import { intersectFilters } from '../mqtt/topic.js'
import type { AclFile, AclRule } from './acl-file.js'
import { createRuleTree, type Names, type RuleTree, type Wanted } from './rule-tree.js'

/** Whether something may be done with a topic, and by which rule. */
export interface Decision {
  readonly isAllowed: boolean
  /** Whether a rule says so; nothing is allowed where none does. */
  readonly isRuled: boolean
  /** For people: the rule, a line of the file or one that is built in, or why there is none. */
  readonly rule: string
}

/** The rules of an access control list, compiled. */
export interface Acl {
  /** What they say of a user and a client id. */
  of(names: Names): AclView
}

/** The rules as they are for one user and client id. */
export interface AclView {
  decide(topic: string, wanted: 'read' | 'write'): Decision
  /** Whether some topic that `filter` matches may be read. */
  mayReadSomeOf(filter: string): boolean
  /** Whether some rule may allow anything at all. */
  readonly allowsAnything: boolean
}

/** Of a topic of which no rule says anything. */
export const unruled: Decision = { isAllowed: false, isRuled: false, rule: 'no rule allows it' }

/** What a client could widen a pattern with, if it had it in its names (CVE-2017-7650). */
const WILDCARD = /[+#]/

/**
 * Compiles a list. A decision goes as Mosquitto's does: the user's `deny` rules, its other rules, the `deny`
 * patterns, the other patterns; the first that matches decides, and nothing is allowed by default. Patterns
 * allow nothing to a client whose user name or client id has a wildcard.
 */
export function compileAcl(file: AclFile): Acl {
  const none = createRuleTree([])
  const patterns = createRuleTree(file.patterns)
  const anonymous = createRuleTree(file.anonymous)
  const users = new Map([...file.users].map(([user, rules]) => [user, createRuleTree(rules)]))
  const decisions = createDecisions(file)
  return {
    of(names) {
      const own = names.user === undefined ? anonymous : (users.get(names.user) ?? none)
      const isWild = WILDCARD.test(names.user ?? '') || WILDCARD.test(names.clientId)
      const trees = { own, patterns: isWild ? none : patterns }
      const silent = isWild && file.patterns.length > 0 ? decisions.wildcardName : unruled
      return createView(trees, names, silent, decisions)
    },
  }
}

interface Trees {
  readonly own: RuleTree
  readonly patterns: RuleTree
}

interface Decisions {
  /** The same object each time for the same rule, as decisions are remembered. */
  by(rule: AclRule): Decision
  readonly wildcardName: Decision
}

function createDecisions({ path }: AclFile): Decisions {
  const known = new Map<AclRule, Decision>()
  return {
    by(rule) {
      const { line, kind, access, filter } = rule
      const decision = known.get(rule) ?? {
        isAllowed: access !== 'deny',
        isRuled: true,
        rule: `${path} line ${line}: ${kind} ${access} ${filter}`,
      }
      known.set(rule, decision)
      return decision
    },
    wildcardName: {
      ...unruled,
      rule: `${path}: no pattern applies to a user name or client id with + or #`,
    },
  }
}

function createView({ own, patterns }: Trees, names: Names, silent: Decision, decisions: Decisions): AclView {
  const find = (levels: readonly string[], wanted: Wanted): AclRule | undefined =>
    own.match(levels, 'deny', names) ??
    own.match(levels, wanted, names) ??
    patterns.match(levels, 'deny', names) ??
    patterns.match(levels, wanted, names)

  /** Whether some topic in common with `filter` is readable by the tree's rules and spared by every denial. */
  const isReadable = (filter: string, tree: RuleTree, denials: readonly RuleTree[]): boolean => {
    for (const levels of tree.overlapping(filter.split('/'), 'read', names)) {
      const common = intersectFilters(filter, levels.join('/'))?.split('/')
      if (common !== undefined && !denials.some((one) => one.covers(common, 'deny', names))) return true
    }
    return false
  }

  return {
    decide(topic, wanted) {
      const rule = find(topic.split('/'), wanted)
      return rule === undefined ? silent : decisions.by(rule)
    },
    mayReadSomeOf: (filter) =>
      isReadable(filter, own, [own]) || isReadable(filter, patterns, [own, patterns]),
    allowsAnything: [own, patterns].some((tree) => tree.has('read') || tree.has('write')),
  }
}
