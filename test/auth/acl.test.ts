import { describe, expect, it } from 'vitest'
import { compileAcl } from '#src/auth/acl.js'
import { type AclFile, type AclRule, parseAclFile } from '#src/auth/acl-file.js'
import { createRandom } from '../support/random.js'

const parse = (text: string): AclFile => parseAclFile('acl.conf', Buffer.from(text).toString('latin1'))

type Names = { readonly user: string | undefined; readonly clientId: string }

/** Line number of the rule that decides, signed by what it says; 0: none does. */
function decide(text: string, names: Names, wanted: 'read' | 'write', topic: string): number {
  const { isAllowed, isRuled, rule } = compileAcl(parse(text)).of(names).decide(topic, wanted)
  if (!isRuled) return 0
  return Number(/line (\d+)/.exec(rule)?.[1]) * (isAllowed ? 1 : -1)
}

const ann: Names = { user: 'ann', clientId: 'c1' }
const nobody: Names = { user: undefined, clientId: 'c1' }

/** Section 4.7 of MQTT 3.1.1 and Mosquitto's rule for `$`, written down as directly as can be. */
function matches(filter: string, topic: string): boolean {
  if (topic.startsWith('$') && !filter.startsWith('$')) return false
  const match = (levels: readonly string[], of: readonly string[]): boolean => {
    const [first, ...rest] = levels
    if (first === '#') return true
    if (first === undefined || of.length === 0) return first === undefined && of.length === 0
    return (first === '+' || first === of[0]) && match(rest, of.slice(1))
  }
  return match(filter.split('/'), topic.split('/'))
}

/** Mosquitto's way through its lists, one rule after the other. */
function decideInOrder(file: AclFile, { user, clientId }: Names, wanted: string, topic: string): number {
  const filterOf = ({ kind, filter }: AclRule): string | undefined => {
    if (kind === 'topic') return filter
    const levels = filter.split('/').map((level) => {
      const name = level === '%u' ? user : level === '%c' ? clientId : level
      const isPutIn = name !== level
      return isPutIn && (name === '' || name?.includes('/')) ? undefined : name
    })
    const isWhole = levels.every((level) => level !== undefined)
    // What stands first in the file is what counts against a topic that begins with `$`.
    return isWhole && !(topic.startsWith('$') && filter.startsWith('%')) ? levels.join('/') : undefined
  }
  const find = (rules: readonly AclRule[], accesses: readonly string[]): AclRule | undefined =>
    rules.find((rule) => {
      const filter = filterOf(rule)
      return accesses.includes(rule.access) && filter !== undefined && matches(filter, topic)
    })
  const own = user === undefined ? file.anonymous : (file.users.get(user) ?? [])
  const isWild = /[+#]/.test(user ?? '') || /[+#]/.test(clientId)
  for (const rules of [own, isWild ? [] : file.patterns]) {
    const denied = find(rules, ['deny'])
    if (denied !== undefined) return -denied.line
    const allowed = find(rules, [wanted, 'readwrite'])
    if (allowed !== undefined) return allowed.line
  }
  return 0
}

describe('A decision', () => {
  it.each([
    ['nothing is allowed by default', '', ann, 'a', 0],
    ['a rule for anonymous clients is for them', 'topic a', nobody, 'a', 1],
    ['and for nobody else', 'topic a', ann, 'a', 0],
    ["a user's rule is for that user", 'user ann\ntopic a', ann, 'a', 2],
    ['and for nobody else', 'user ann\ntopic a', nobody, 'a', 0],
    ['a name is compared to the letter', 'user Ann\ntopic a', ann, 'a', 0],
    ['blocks of a user add up', 'user ann\ntopic a\nuser bob\ntopic b\nuser ann\ntopic c', ann, 'c', 6],
    ['the first rule that matches is named', 'user ann\ntopic read a\ntopic #\ntopic a', ann, 'a', 2],
    ['a denial goes first, wherever it stands', 'user ann\ntopic #\ntopic deny a', ann, 'a', -3],
    ['and for its topic alone', 'user ann\ntopic #\ntopic deny a', ann, 'b', 2],
    ['a pattern is for everyone', 'user bob\npattern u/%u', ann, 'u/ann', 2],
    ['a pattern takes the client id', 'pattern c/%c', ann, 'c/c1', 1],
    ['and both', 'pattern %u/%c', ann, 'ann/c1', 1],
    ["no other's name", 'pattern u/%u', ann, 'u/bob', 0],
    ['a pattern without a name is for everyone', 'pattern all', ann, 'all', 1],
    ['%u is nobody for an anonymous client', 'pattern u/%u', nobody, 'u/', 0],
    ['%u is nothing for an empty name', 'pattern u/%u', { user: '', clientId: 'c' }, 'u/', 0],
    ['a name is put in for whole levels only', 'pattern u/x%u', ann, 'u/xann', 0],
    ['what is no whole level stands for itself', 'pattern u/x%u', ann, 'u/x%u', 1],
    ['a slash in a name makes no levels', 'pattern u/%u', { user: 'a/b', clientId: 'c' }, 'u/a/b', 0],
    [
      "a user's own rule goes before a denying pattern",
      'pattern deny a/%u\nuser ann\ntopic a/#',
      ann,
      'a/ann',
      3,
    ],
    ["a user's own denial goes before a pattern", 'pattern a/%u\nuser ann\ntopic deny a/#', ann, 'a/ann', -3],
    ['a denying pattern goes before the others', 'pattern #\npattern deny a/%u', ann, 'a/ann', -2],
    ['CVE-2017-7650: no pattern for a user +', 'pattern #', { user: '+', clientId: 'c' }, 'a', 0],
    ['CVE-2017-7650: no pattern for a client id #', 'pattern #', { user: 'u', clientId: '#' }, 'a', 0],
    ['but the rules of its own', 'user a+\ntopic a', { user: 'a+', clientId: 'c' }, 'a', 2],
    ['[MQTT-4.7.2-1] # is not for $SYS', 'user ann\ntopic #', ann, '$SYS/broker/uptime', 0],
    ['[MQTT-4.7.2-1] + is not for $SYS', 'user ann\ntopic +/a', ann, '$SYS/a', 0],
    ['[MQTT-4.7.2-1] $SYS/# is', 'user ann\ntopic $SYS/#', ann, '$SYS/broker/uptime', 2],
    ['no name is for what begins with $', 'pattern %u/a', { user: '$SYS', clientId: 'c' }, '$SYS/a', 0],
    ['[MQTT-4.7.1-2] a/# is for a', 'user ann\ntopic a/#', ann, 'a', 2],
    ['u/%u/# is for u/ann', 'pattern u/%u/#', ann, 'u/ann', 1],
    ['[MQTT-4.7.1-3] + is for an empty level', 'user ann\ntopic a/+', ann, 'a/', 2],
    ['names that objects have are names', 'user ann\ntopic constructor/__proto__', ann, 'constructor', 0],
  ])('%s', (_what, text, names, topic, line) => {
    expect(decide(text, names, 'read', topic)).toBe(line)
  })

  it.each([
    ['read', 2, 0],
    ['write', 0, 2],
    ['readwrite', 2, 2],
    ['deny', -2, -2],
  ])('of %s', (access, read, write) => {
    const text = `user ann\ntopic ${access} a`
    expect([decide(text, ann, 'read', 'a'), decide(text, ann, 'write', 'a')]).toEqual([read, write])
  })
})

const random = createRandom(20_261_122)
const levels = ['a', 'b', '', '+', '$s', '%u', '%c', 'ann', 'c1']
const users = [undefined, 'ann', 'bob', 'a+', '', '$s', 'a/b']
const clients = ['c1', 'ann', '#', 'x/y', '$s']

const path = (from: readonly string[]): string =>
  Array.from({ length: 1 + random.below(4) }, () => random.of(from)).join('/')

function anyRules(): string {
  const lines = Array.from({ length: 1 + random.below(12) }, () => {
    if (random.below(4) === 0) return `user ${random.of(['ann', 'bob', 'a+'])}`
    const filter = path(levels) + (random.below(4) === 0 ? '/#' : '')
    return `${random.of(['topic', 'pattern'])} ${random.of(['read', 'write', 'readwrite', 'deny'])} ${filter}`
  })
  return lines.filter((line) => line.trim() !== 'topic read' && !/ $/.test(line)).join('\n')
}

describe('The compiled rules', () => {
  it('decide as the list does, one rule after the other', () => {
    const wrong: string[] = []
    for (let round = 0; round < 30_000; round += 1) {
      const text = anyRules()
      const names = { user: random.of(users), clientId: random.of(clients) }
      const topic = path(['a', 'b', '', '$s', 'ann', 'c1', 'bob']) || 'a'
      const wanted = random.of(['read', 'write'] as const)
      const line = decide(text, names, wanted, topic)
      const expected = decideInOrder(parse(text), names, wanted, topic)
      // Of several denials any may be named.
      if (line === expected || (line < 0 && expected < 0)) continue
      wrong.push(JSON.stringify({ text, names, topic, wanted, line, expected }))
    }
    expect(wrong.slice(0, 3)).toEqual([])
  })

  it('grant a filter where some topic that it matches may be read, and refuse one that a single denial covers', () => {
    const topics = allTopics(['a', 'b', '', '$s', 'ann', 'other'], 3)
    const wrong: string[] = []
    for (let round = 0; round < 600; round += 1) {
      const text = anyRules()
      const file = parse(text)
      const names = { user: random.of(users), clientId: random.of(clients) }
      const view = compileAcl(file).of(names)
      const filter = path(['a', 'b', '', '+', '$s', 'ann']) + (random.below(3) === 0 ? '/#' : '') || 'a'
      const readable = topics.some((topic) => matches(filter, topic) && view.decide(topic, 'read').isAllowed)
      // The other way round it may be granted needlessly, where only several denials together cover it.
      if (readable && !view.mayReadSomeOf(filter)) wrong.push(JSON.stringify({ text, names, filter }))
    }
    expect(wrong.slice(0, 3)).toEqual([])
  })

  it.each([
    ['user ann\ntopic read a/b', '#', true],
    ['user ann\ntopic read a/b', 'a/+', true],
    ['user ann\ntopic read a/b', 'a', false],
    ['user ann\ntopic write a/b', 'a/b', false],
    ['user ann\ntopic read #', 'anything/+', true],
    ['user ann\ntopic read #', '$SYS/#', false],
    ['user ann\ntopic read $SYS/#', '#', false],
    ['user ann\ntopic read $SYS/#', '$SYS/broker/+', true],
    ['user ann\ntopic read #\ntopic deny secret/#', 'secret/x', false],
    ['user ann\ntopic read #\ntopic deny secret/#', 'secret/+', false],
    ['user ann\ntopic read #\ntopic deny secret/#', 'secret', false],
    ['user ann\ntopic read #\ntopic deny secret/#', '#', true],
    ['user ann\ntopic read #\ntopic deny secret/+', 'secret/#', true],
    ['user ann\ntopic read #\ntopic deny #', 'a', false],
    ['pattern read u/%u', 'u/+', true],
    ['pattern read u/%u', 'u/bob', false],
    ['pattern read u/%u\npattern deny u/#', 'u/+', false],
    ['pattern deny u/#\nuser ann\ntopic read u/ann', 'u/+', true],
    ['pattern read u/%u\nuser ann\ntopic deny u/ann', 'u/+', false],
    ['', '#', false],
  ])('%j and the filter %s: %s', (text, filter, expected) => {
    expect(compileAcl(parse(text)).of(ann).mayReadSomeOf(filter)).toBe(expected)
  })

  it('take as many steps with 10,000 rules as with 10', () => {
    const text = Array.from({ length: 10_000 }, (_, index) => `topic read room/${index}/+/state`).join('\n')
    const view = compileAcl(parse(`user ann\n${text}`)).of(ann)
    expect(view.decide('room/9999/lamp/state', 'read')).toMatchObject({ isAllowed: true })
    expect(view.decide('room/10000/lamp/state', 'read')).toMatchObject({ isRuled: false })
    let steps = 0
    const get = Map.prototype.get
    try {
      Map.prototype.get = function (this: Map<unknown, unknown>, key: unknown) {
        steps += 1
        return get.call(this, key)
      }
      view.decide('room/5000/lamp/state', 'read')
    } finally {
      Map.prototype.get = get
    }
    expect(steps).toBeLessThan(60)
  })
})

function allTopics(of: readonly string[], depth: number): string[] {
  if (depth === 1) return of.filter((level) => level !== '')
  const shorter = allTopics(of, depth - 1)
  return [...shorter, ...['', ...shorter].flatMap((one) => of.map((level) => `${one}/${level}`))]
}
