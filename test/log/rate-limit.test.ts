import { describe, expect, it } from 'vitest'
import { createRateLimit } from '#src/log/rate-limit.js'

/** A limit of one a second, and a clock to set. */
function limitWithClock(maxKeys = 10) {
  let nowMs = 1_000_000
  const { admit } = createRateLimit(1000, maxKeys, () => nowMs)
  return {
    admit,
    pass: (ms: number) => {
      nowMs += ms
    },
  }
}

describe('A rate limit', () => {
  it('lets a key through once an interval, and tells how often it was held back', () => {
    const { admit, pass } = limitWithClock()
    expect(admit('key')).toBe(0)
    expect([admit('key'), admit('key'), admit('key')]).toEqual([undefined, undefined, undefined])
    pass(999)
    expect(admit('key')).toBe(undefined)
    pass(1)
    expect(admit('key')).toBe(4)
    expect(admit('key')).toBe(undefined)
    pass(1000)
    expect(admit('key')).toBe(1)
    pass(5000)
    expect(admit('key')).toBe(0)
  })

  it('counts the interval from the key that went through, not from the one held back', () => {
    const { admit, pass } = limitWithClock()
    admit('key')
    pass(600)
    expect(admit('key')).toBe(undefined)
    pass(600)
    expect(admit('key')).toBe(1)
  })

  it('keeps keys apart', () => {
    const { admit } = limitWithClock()
    expect([admit('one'), admit('other'), admit(''), admit('__proto__')]).toEqual([0, 0, 0, 0])
    expect([admit('one'), admit('other')]).toEqual([undefined, undefined])
  })

  it('remembers no more keys than it may, and forgets the one longest unseen', () => {
    const { admit } = limitWithClock(2)
    admit('a')
    admit('b')
    admit('a')
    admit('c')
    expect(admit('a')).toBe(undefined)
    expect(admit('b')).toBe(0)
  })

  it('lets a key through again when the clock was set back by more than an interval', () => {
    const { admit, pass } = limitWithClock()
    admit('key')
    pass(-1001)
    expect(admit('key')).toBe(0)
  })
})
