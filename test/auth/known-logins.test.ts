import { describe, expect, it } from 'vitest'
import { createKnownLogins } from '#src/auth/known-logins.js'

const secret = Buffer.from('secret')
const home = '192.0.2.1'

describe('A known login', () => {
  it('is the same user with the same password from the same address', () => {
    const known = createKnownLogins()
    expect(known.has('ann', secret, home)).toBe(false)
    known.add('ann', secret, home)
    expect(known.has('ann', secret, home)).toBe(true)
    expect(known.has('ann', Buffer.from('secret'), `::ffff:${home}`)).toBe(true)
    expect(known.has('bob', secret, home)).toBe(false)
    expect(known.has('ann', Buffer.from('Secret'), home)).toBe(false)
    expect(known.has('ann', Buffer.alloc(0), home)).toBe(false)
    expect(known.has('ann', secret, '192.0.2.2')).toBe(false)
  })

  it('is known from all of its /64', () => {
    const known = createKnownLogins()
    known.add('ann', secret, '2001:db8::1')
    expect(known.has('ann', secret, '2001:db8::2')).toBe(true)
    expect(known.has('ann', secret, '2001:db8:0:1::1')).toBe(false)
  })

  it('is not one whose parts begin elsewhere', () => {
    const known = createKnownLogins()
    known.add('ann', secret, home)
    expect(known.has('an', Buffer.from('nsecret'), home)).toBe(false)
    expect(known.has('anns', Buffer.from('ecret'), home)).toBe(false)
    expect(known.has('ann', Buffer.from('secret1'), '92.0.2.1')).toBe(false)
    expect(known.has('ann6:secret', Buffer.alloc(0), home)).toBe(false)
  })

  it('is forgotten when it is deleted, and no other is', () => {
    const known = createKnownLogins()
    known.add('ann', secret, home)
    known.add('ann', secret, '192.0.2.2')
    known.add('bob', secret, home)
    known.delete('ann', secret, `::ffff:${home}`)
    known.delete('nobody', secret, home)
    expect(known.has('ann', secret, home)).toBe(false)
    expect(known.has('ann', secret, '192.0.2.2')).toBe(true)
    expect(known.has('bob', secret, home)).toBe(true)
  })

  it('is forgotten when there are too many and it is the one longest unused', () => {
    const known = createKnownLogins({ maxLogins: 2 })
    known.add('ann', secret, home)
    known.add('bob', secret, home)
    expect(known.has('ann', secret, home)).toBe(true)
    known.add('cid', secret, home)
    expect(known.has('ann', secret, home)).toBe(true)
    expect(known.has('bob', secret, home)).toBe(false)
  })

  it('is not found out by guessing from its own address', () => {
    let nowMs = 1
    const known = createKnownLogins({ clock: { now: () => nowMs } })
    known.add('ann', secret, home)
    const guess = (): boolean => known.has('ann', Buffer.from('guess'), home)
    const guesses = (count: number): boolean[] => Array.from({ length: count }, guess)
    expect(guesses(999)).not.toContain(true)
    expect(known.has('ann', secret, home)).toBe(true)
    guess()
    expect(known.has('ann', secret, home)).toBe(false)
    known.add('ann', secret, '192.0.2.2')
    expect(known.has('ann', secret, '192.0.2.2')).toBe(true)
    nowMs += 59_999
    expect(known.has('ann', secret, home)).toBe(false)
    nowMs += 1
    expect(known.has('ann', secret, home)).toBe(true)
  })

  it('stays known beside 19,999 others unless told otherwise', () => {
    const known = createKnownLogins()
    known.add('ann', secret, home)
    for (let number = 1; number < 20_000; number++) known.add(`user ${number}`, secret, home)
    expect(known.has('ann', secret, home)).toBe(true)
    known.add('bob', secret, home)
    expect(known.has('user 1', secret, home)).toBe(false)
  })
})
