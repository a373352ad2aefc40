import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { intersectFilters, isTopicFilter } from '#src/mqtt/topic.js'

/** Few names, so that they meet. */
const name = fc.constantFrom('', 'a', 'b', '$a', 'é')
const topic = fc
  .array(name, { minLength: 1, maxLength: 5 })
  .map((levels) => levels.join('/'))
  .filter(Boolean)
const filter = fc
  .tuple(fc.array(fc.oneof(name, fc.constant('+')), { maxLength: 5 }), fc.boolean())
  .map(([levels, isOpen]) => [...levels, ...(isOpen ? ['#'] : [])].join('/'))
  .filter((text) => text !== '')

/** MQTT 3.1.1, 4.7, as a regular expression. */
function matches(one: string, name: string): boolean {
  if (/^[+#]/.test(one) && name.startsWith('$')) return false
  const pattern = one
    .split('/')
    .map((level) => (level === '+' ? '[^/]*' : level === '#' ? '#' : level.replace(/[$]/g, '\\$&')))
    .join('/')
    .replace(/(^|\/)#$/, (_all, slash: string) => (slash === '' ? '.*' : '(/.*)?'))
  return new RegExp(`^${pattern}$`, 'su').test(name)
}

describe('A topic filter', () => {
  it('matches a topic exactly when it has a topic in common with it', () => {
    fc.assert(
      fc.property(filter, topic, (one, name) => {
        expect(intersectFilters(one, name)).toBe(matches(one, name) ? name : undefined)
      }),
      { numRuns: 3000 },
    )
  })

  it('has in common with another what both match, whichever comes first', () => {
    fc.assert(
      fc.property(filter, filter, topic, (one, other, name) => {
        const common = intersectFilters(one, other)
        expect(intersectFilters(other, one)).toBe(common)
        expect(common !== undefined && matches(common, name)).toBe(matches(one, name) && matches(other, name))
      }),
      { numRuns: 3000 },
    )
  })

  it('is well formed if it is made so, and any text is one or is not, without an error', () => {
    fc.assert(
      fc.property(filter, (one) => {
        expect(isTopicFilter(one)).toBe(true)
      }),
    )
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const isMisplaced = text.split('/').some((level, index, levels) => {
          const hasWildcard = /[+#]/.test(level)
          return hasWildcard && level !== '+' && !(level === '#' && index === levels.length - 1)
        })
        expect(isTopicFilter(text)).toBe(text !== '' && !text.includes('\0') && !isMisplaced)
      }),
    )
  })
})
