import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compileAcl } from '#src/auth/acl.js'
import { type AclFile, parseAclFile } from '#src/auth/acl-file.js'
import { ConfigError } from '#src/config/config-error.js'
import { intersectFilters, isTopicFilter } from '#src/mqtt/topic.js'

const access = fc.constantFrom('read', 'write', 'readwrite', 'deny')
const name = fc.constantFrom('a', 'b', 'c', '%u', '%c')
const filter = fc
  .tuple(fc.array(fc.oneof(name, fc.constant('+')), { minLength: 1, maxLength: 3 }), fc.boolean())
  .map(([levels, isOpen]) => [...levels, ...(isOpen ? ['#'] : [])].join('/'))
const topic = fc
  .array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 3 })
  .map((all) => all.join('/'))
const rule = fc.record({ kind: fc.constantFrom('topic', 'pattern'), access, filter })
const line = fc.oneof(
  rule.map(({ kind, access: what, filter: which }) => `${kind} ${what} ${which}`),
  fc.constantFrom('user ann', 'user bob', '', '# a comment', '  '),
)
const damagedLine = fc.oneof(line, fc.string({ unit: 'binary', maxLength: 30 }), fc.constant('topic read a+'))

/** The bytes of a text, each as the character of its number. */
const fileOf = (lines: readonly string[]): string => Buffer.from(lines.join('\n')).toString('latin1')

const rulesOf = (file: AclFile) => [...file.anonymous, ...file.patterns, ...[...file.users.values()].flat()]

function parse(content: string): AclFile | ConfigError {
  try {
    return parseAclFile('acl.conf', content)
  } catch (error) {
    if (error instanceof ConfigError) return error
    throw error
  }
}

describe('An ACL file', () => {
  it('of any content has well-formed rules, or is refused for one of its lines', () => {
    fc.assert(
      fc.property(fc.array(damagedLine, { maxLength: 8 }), (lines) => {
        const file = parse(fileOf(lines))
        if (file instanceof ConfigError) {
          expect(file.message).toMatch(/^ACL_FILE: acl\.conf line \d+: /)
          return
        }
        for (const { filter: one } of rulesOf(file)) expect(isTopicFilter(one)).toBe(true)
      }),
      { numRuns: 1000 },
    )
  })

  it('has the rules that its lines say, each with its number', () => {
    fc.assert(
      fc.property(fc.array(line, { maxLength: 12 }), (lines) => {
        const file = parseAclFile('acl.conf', fileOf(lines))
        const written = lines.flatMap((text, index) =>
          /^(topic|pattern)/.test(text) ? [`${index + 1} ${text}`] : [],
        )
        const read = rulesOf(file)
          .sort((one, other) => one.line - other.line)
          .map((one) => `${one.line} ${one.kind} ${one.access} ${one.filter}`)
        expect(read).toEqual(written)
      }),
      { numRuns: 1000 },
    )
  })

  it('allows nothing that no rule allows, and nothing that a rule of the user denies', () => {
    const wanted = fc.constantFrom<'read' | 'write'>('read', 'write')
    const user = fc.constantFrom('ann', 'bob', 'eve', undefined)
    fc.assert(
      fc.property(fc.array(line, { maxLength: 10 }), topic, wanted, user, (lines, name, what, who) => {
        const file = parseAclFile('acl.conf', fileOf(lines))
        const { isAllowed } = compileAcl(file).of({ user: who, clientId: 'c' }).decide(name, what)
        const fill = (text: string): string => text.replaceAll('%c', 'c').replaceAll('%u', who ?? '%u')
        const own = who === undefined ? file.anonymous : (file.users.get(who) ?? [])
        const isMatch = (text: string): boolean => intersectFilters(text, name) !== undefined
        const matching = [
          ...own.filter((one) => isMatch(one.filter)),
          ...file.patterns.filter((one) => isMatch(fill(one.filter))),
        ]
        const allowing = matching.filter((one) => one.access === what || one.access === 'readwrite')
        if (allowing.length === 0) expect(isAllowed).toBe(false)
        if (own.some((one) => one.access === 'deny' && isMatch(one.filter))) expect(isAllowed).toBe(false)
      }),
      { numRuns: 2000 },
    )
  })
})
