import { describe, expect, it } from 'vitest'
import { intersectFilters, isTopicFilter } from '#src/mqtt/topic.js'

describe('A topic filter', () => {
  it.each([
    ['a', '[MQTT-4.7.3-1] one character'],
    ['/', '[MQTT-4.7.3-1] a slash alone'],
    ['a b', '[MQTT-4.7.3-1] a blank'],
    ['//', 'empty levels'],
    ['#', '[MQTT-4.7.1-2] # alone'],
    ['a/#', '[MQTT-4.7.1-2] # as the last level'],
    ['/#', '[MQTT-4.7.1-2] # after an empty level'],
    ['+', '[MQTT-4.7.1-3] + alone'],
    ['+/a', '[MQTT-4.7.1-3] + as the first level'],
    ['a/+/b', '[MQTT-4.7.1-3] + as a middle level'],
    ['+/+/#', '[MQTT-4.7.1-3] + with #'],
    ['/+', '[MQTT-4.7.1-3] + after an empty level'],
    ['$SYS/#', '[MQTT-4.7.2-1] $SYS'],
    ['设备/温度', 'Chinese'],
    ['x'.repeat(65_535), '[MQTT-4.7.3-3] 65,535 bytes'],
  ])('may be %j: %s', (filter) => expect(isTopicFilter(filter)).toBe(true))

  it.each([
    ['', '[MQTT-4.7.3-1] empty'],
    ['a\0', '[MQTT-4.7.3-2] a NUL'],
    ['\0', '[MQTT-4.7.3-2] NUL alone'],
    ['a#', '[MQTT-4.7.1-2] # beside a character'],
    ['a/b#', '[MQTT-4.7.1-2] # at the end of a level'],
    ['#/a', '[MQTT-4.7.1-2] # before the last level'],
    ['a/#/b', '[MQTT-4.7.1-2] # in the middle'],
    ['##', '[MQTT-4.7.1-2] # twice'],
    ['#/', '[MQTT-4.7.1-2] # before an empty level'],
    ['a+', '[MQTT-4.7.1-3] + at the end of a level'],
    ['+a', '[MQTT-4.7.1-3] + at the start of a level'],
    ['a/+b/c', '[MQTT-4.7.1-3] + beside a character'],
    ['++', '[MQTT-4.7.1-3] + twice'],
    ['+#', 'both in one level'],
    ['x'.repeat(65_536), '[MQTT-4.7.3-3] 65,536 bytes'],
    ['温'.repeat(21_846), '[MQTT-4.7.3-3] 65,538 bytes in 21,846 characters'],
  ])('may not be %j: %s', (filter) => expect(isTopicFilter(filter)).toBe(false))
})

/** Section 4.7 of MQTT 3.1.1, written down as directly as can be. */
function matches(filter: readonly string[], topic: readonly string[]): boolean {
  const [first, ...rest] = filter
  if (first === '#') return true
  if (first === undefined || topic.length === 0) return first === undefined && topic.length === 0
  return (first === '+' || first === topic[0]) && matches(rest, topic.slice(1))
}

function matchesTopic(filter: string, topic: string): boolean {
  if (topic.startsWith('$') && /^[+#]/.test(filter)) return false
  return matches(filter.split('/'), topic.split('/'))
}

/** Every join of 1 to `depth` of these levels. */
function combinations(levels: readonly string[], depth: number): string[] {
  if (depth === 1) return [...levels]
  const shorter = combinations(levels, depth - 1)
  const longest = shorter.filter((one) => one.split('/').length === depth - 1)
  return [...shorter, ...longest.flatMap((one) => levels.map((level) => `${one}/${level}`))]
}

describe('Two filters', () => {
  it('have in common the filter that matches what both match', () => {
    const filters = combinations(['a', '', '+', '#', '$s'], 3).filter(isTopicFilter)
    const topics = combinations(['a', '', '$s', 'other'], 4)
    const matched = new Map(
      filters.map((filter) => [filter, new Set(topics.filter((topic) => matchesTopic(filter, topic)))]),
    )
    const wrong: string[] = []
    for (const [one, ofOne] of matched) {
      for (const [other, ofOther] of matched) {
        const expected = [...ofOne].filter((topic) => ofOther.has(topic))
        const common = intersectFilters(one, other)
        const found = common === undefined ? [] : topics.filter((topic) => matchesTopic(common, topic))
        if (found.join() !== expected.join()) wrong.push(`${one} and ${other}: ${common}`)
      }
    }
    expect(filters.length).toBeGreaterThan(70)
    expect(wrong).toEqual([])
  })

  it.each([
    ['[MQTT-4.7.1-2]', 'a/#', 'a', 'a'],
    ['[MQTT-4.7.1-2]', 'a/#', 'a/+/b', 'a/+/b'],
    ['[MQTT-4.7.1-2]', 'a/b/#', 'a', undefined],
    ['[MQTT-4.7.1-3]', '+', '/a', undefined],
    ['[MQTT-4.7.1-3]', '+/+', '/a', '/a'],
    ['[MQTT-4.7.1-3]', '+/b', 'a/+', 'a/b'],
    ['[MQTT-4.7.2-1]', '#', '$SYS/broker/uptime', undefined],
    ['[MQTT-4.7.2-1]', '+/broker/uptime', '$SYS/broker/uptime', undefined],
    ['[MQTT-4.7.2-1]', '$SYS/#', '$SYS/+/uptime', '$SYS/+/uptime'],
    ['[MQTT-4.7.3-4]', 'a/B', 'a/b', undefined],
  ])('%s %j and %j have in common %s', (_clause, one, other, expected) => {
    expect(intersectFilters(one, other)).toBe(expected)
    expect(intersectFilters(other, one)).toBe(expected)
  })
})
