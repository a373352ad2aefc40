import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { createKnownLogins } from '#src/auth/known-logins.js'
import { createLockout } from '#src/auth/lockout.js'
import { createEnding } from '#src/ending/ending.js'
import { count, defaults, lockoutWithClock } from '../support/login-attempts.js'

const home = '192.0.2.1'
const elsewhere = '198.51.100.1'

/** An address of its own for each number below 16,777,216. */
const addressOf = (number: number): string => `10.${number >> 16}.${(number >> 8) & 255}.${number & 255}`

describe('Failed logins of an address', () => {
  it('are slowed after LOGIN_FAILURES: one at a time, each after a delay', async () => {
    const { tryOut, knock, pass, sleeping } = lockoutWithClock()
    expect(await tryOut(10, undefined, home)).toBe(10)
    const [first, second] = [knock(undefined, home), knock(undefined, home)]
    await nextTurn()
    expect([first.state, second.state, sleeping()]).toEqual(['waiting', 'waiting', 1])
    await pass(999)
    expect([first.state, second.state]).toEqual(['waiting', 'waiting'])
    await pass(1)
    expect([first.state, second.state, sleeping()]).toEqual(['checking', 'waiting', 0])
    await pass(5000)
    expect(second.state).toBe('waiting')
    first.end('right')
    await nextTurn()
    expect([second.state, sleeping()]).toEqual(['waiting', 1])
    await pass(1000)
    expect(second.state).toBe('checking')
  })

  it('are not slowed before', async () => {
    const { tryOut, knock, sleeping } = lockoutWithClock()
    await tryOut(9, undefined, home)
    const one = knock(undefined, home)
    await nextTurn()
    expect([one.state, sleeping()]).toEqual(['checking', 0])
  })

  it('are refused after LOGIN_REFUSE_AFTER, those that are waiting too', async () => {
    const { tryOut, knock, pass, sleeping, refused } = lockoutWithClock()
    await tryOut(14, undefined, home)
    const last = knock(undefined, home)
    const waiting = Array.from({ length: 5 }, () => knock(undefined, home))
    await nextTurn()
    await pass(1000)
    expect([last.state, count(waiting, 'waiting'), refused]).toEqual(['checking', 5, []])
    last.end('wrong')
    await nextTurn()
    expect([count(waiting, 'refused'), sleeping()]).toEqual([5, 0])
    expect(refused).toEqual([`address ${home}`])
  })

  it('are refused for LOGIN_REFUSE_S, however many more there are, and then count from none', async () => {
    const { tryOut, pass, refused } = lockoutWithClock()
    expect(await tryOut(20, undefined, home)).toBe(15)
    expect(refused).toEqual([`address ${home}`])
    await pass(299_999)
    expect(await tryOut(5, undefined, home)).toBe(0)
    await pass(1)
    expect(await tryOut(20, undefined, home)).toBe(15)
    expect(refused).toEqual([`address ${home}`, `address ${home}`])
  })

  it('count for LOGIN_WINDOW_S from the first of them on', async () => {
    const { tryOut, knock, pass, sleeping } = lockoutWithClock()
    await tryOut(1, undefined, home)
    await pass(30_000)
    await tryOut(9, undefined, home)
    await pass(29_999)
    const slowed = knock(undefined, home)
    await nextTurn()
    expect(sleeping()).toBe(1)
    slowed.abort()
    await pass(1)
    const free = Array.from({ length: 11 }, () => knock(undefined, home))
    await nextTurn()
    expect([count(free, 'checking'), sleeping()]).toEqual([10, 0])
  })

  it.each([
    [5, 5],
    [10, 5],
    [1, 1],
    [10, 1],
  ])(
    'with %i to be slowed and %i to be refused are refused and not slowed',
    async (failures, refuseAfter) => {
      const { knock, sleeping, refused } = lockoutWithClock({ failures, refuseAfter })
      const knocks = Array.from({ length: 20 }, () => knock(undefined, home))
      await nextTurn()
      expect(count(knocks, 'checking')).toBe(refuseAfter)
      for (const one of knocks.slice(0, refuseAfter)) one.end('wrong')
      await nextTurn()
      expect([count(knocks, 'refused'), sleeping()]).toEqual([20 - refuseAfter, 0])
      expect(refused).toEqual([`address ${home}`])
    },
  )

  it('are those that were wrong: not those that were right, nor those nobody could decide on', async () => {
    const { tryOut, refused } = lockoutWithClock()
    expect(await tryOut(30, undefined, home, 'right')).toBe(30)
    expect(await tryOut(30, undefined, home, 'undecided')).toBe(30)
    await tryOut(14, undefined, home)
    expect(refused).toEqual([])
  })

  it('are not made up for by a right login, since whoever guesses may have one', async () => {
    const { tryOut, refused } = lockoutWithClock()
    await tryOut(14, 'eve', home)
    await tryOut(1, 'eve', home, 'right')
    await tryOut(1, 'eve', home)
    expect(refused).toEqual(['user eve', `address ${home}`])
  })

  it("are no other address's", async () => {
    const { tryOut } = lockoutWithClock()
    await tryOut(20, undefined, home)
    expect(await tryOut(10, undefined, elsewhere)).toBe(10)
  })

  it('are those of every form of the address, and of all its /64', async () => {
    const { tryOut, refused } = lockoutWithClock()
    await tryOut(15, undefined, '::ffff:192.0.2.1')
    expect(await tryOut(1, undefined, home)).toBe(0)
    for (let host = 1; host <= 15; host++) await tryOut(1, undefined, `2001:db8::${host}`)
    expect(await tryOut(1, undefined, '2001:db8:0:0:ffff::1')).toBe(0)
    expect(await tryOut(1, undefined, '2001:db8:0:1::1')).toBe(1)
    expect(refused).toEqual([`address ${home}`, 'address 2001:db8::/64'])
  })
})

describe('Failed logins with a user name', () => {
  it('count together, from wherever they come', async () => {
    const { tryOut, refused } = lockoutWithClock()
    for (let number = 0; number < 15; number++) expect(await tryOut(1, 'ann', addressOf(number))).toBe(1)
    expect(refused).toEqual(['user ann'])
    expect(await tryOut(1, 'ann', home)).toBe(0)
    expect(await tryOut(1, 'bob', home)).toBe(1)
    expect(await tryOut(1, undefined, home)).toBe(1)
  })

  it('are slowed, one at a time over all addresses', async () => {
    const { tryOut, knock, pass, sleeping } = lockoutWithClock()
    for (let number = 0; number < 10; number++) await tryOut(1, 'ann', addressOf(number))
    const knocks = Array.from({ length: 5 }, (_, number) => knock('ann', addressOf(100 + number)))
    await nextTurn()
    expect([count(knocks, 'waiting'), sleeping()]).toEqual([5, 1])
    await pass(1000)
    expect([count(knocks, 'checking'), sleeping()]).toEqual([1, 0])
  })

  it('that are refused unchecked do not count against the address, nor keep a place of it', async () => {
    const { tryOut, knock, refused } = lockoutWithClock()
    for (let number = 0; number < 15; number++) await tryOut(1, 'ann', addressOf(number))
    expect(await tryOut(100, 'ann', home)).toBe(0)
    expect(refused).toEqual(['user ann'])
    const others = Array.from({ length: 11 }, (_, number) => knock(`user ${number}`, home))
    await nextTurn()
    expect(count(others, 'checking')).toBe(10)
  })

  it('count with a name of any length, of which a long one is told by its digest', async () => {
    const { tryOut, refused } = lockoutWithClock()
    const [short, long] = ['n'.repeat(50), 'n'.repeat(65_535)]
    for (let number = 0; number < 15; number++) await tryOut(1, short, addressOf(number))
    for (let number = 0; number < 15; number++) await tryOut(1, long, addressOf(number))
    expect(refused).toEqual([`user ${short}`, expect.stringMatching(/^user sha256:[\w+/]{43}=$/)])
    expect(await tryOut(1, long, home)).toBe(0)
    expect(await tryOut(1, 'n'.repeat(65_534), home)).toBe(1)
    expect(await tryOut(1, refused[1]?.slice('user '.length), home)).toBe(1)
  })
})

describe('Logins side by side', () => {
  it('are checked as many at a time as may still fail, first come, first served', async () => {
    const { tryOut, knock } = lockoutWithClock()
    await tryOut(7, undefined, home)
    const knocks = Array.from({ length: 6 }, () => knock(undefined, home))
    const states = async () => {
      await nextTurn()
      return knocks.map(({ state }) => state)
    }
    const [w, c, o] = ['waiting', 'checking', 'over']
    expect(await states()).toEqual([c, c, c, w, w, w])
    knocks[1]?.end('right')
    expect(await states()).toEqual([c, o, c, c, w, w])
    knocks[3]?.end('wrong')
    expect(await states()).toEqual([c, o, c, o, w, w])
    knocks[0]?.end('undecided')
    expect(await states()).toEqual([o, o, c, o, c, w])
  })

  it('all get through when they are right, 10,000 from one address', async () => {
    const { knock, refused } = lockoutWithClock()
    const knocks = Array.from({ length: 10_000 }, (_, number) => knock(`device ${number}`, home))
    let most = 0
    for (let done = 0; done < knocks.length; ) {
      await nextTurn()
      const checking = knocks.slice(done, done + 100).filter(({ state }) => state === 'checking')
      most = Math.max(most, checking.length)
      expect(checking.length).toBeGreaterThan(0)
      for (const one of checking) one.end('right')
      done += checking.length
    }
    expect(most).toBe(10)
    expect(count(knocks, 'over')).toBe(10_000)
    expect(refused).toEqual([])
  })

  it('wait in a line with an end, where one more is refused and does not count', async () => {
    const { knock, refused } = lockoutWithClock({ failures: 1, refuseAfter: 2 }, { maxWaiting: 2 })
    const knocks = Array.from({ length: 5 }, () => knock(undefined, home))
    await nextTurn()
    expect(knocks.map(({ state }) => state)).toEqual(['checking', 'waiting', 'waiting', 'refused', 'refused'])
    knocks[0]?.end('right')
    await nextTurn()
    const next = knock(undefined, home)
    await nextTurn()
    expect([knocks[1]?.state, knocks[2]?.state, next.state]).toEqual(['checking', 'waiting', 'waiting'])
    expect(refused).toEqual([])
  })
})

describe('A login whose connection closes', () => {
  it('leaves the line, and does not count', async () => {
    const { knock, tryOut, refused } = lockoutWithClock()
    const checking = Array.from({ length: 10 }, () => knock(undefined, home))
    const [first, second] = [knock(undefined, home), knock(undefined, home)]
    await nextTurn()
    first.abort()
    await nextTurn()
    expect([first.state, second.state]).toEqual(['refused', 'waiting'])
    checking[0]?.end('right')
    await nextTurn()
    expect(second.state).toBe('checking')
    for (const one of [...checking.slice(1), second]) one.end('right')
    expect(await tryOut(15, undefined, home)).toBe(15)
    expect(refused).toEqual([`address ${home}`])
  })

  it('leaves while it is delayed, with its timer, and the next one is delayed in its place', async () => {
    const { knock, tryOut, pass, sleeping } = lockoutWithClock()
    await tryOut(10, 'ann', home)
    const [first, second] = [knock('bob', home), knock('bob', home)]
    await nextTurn()
    first.abort()
    await nextTurn()
    expect([first.state, second.state, sleeping()]).toEqual(['refused', 'waiting', 1])
    await pass(1000)
    expect([second.state, sleeping()]).toEqual(['checking', 0])
  })

  it('gives back the place of the address while it waits for that of the user name', async () => {
    const { knock } = lockoutWithClock()
    const ann = Array.from({ length: 10 }, (_, number) => knock('ann', addressOf(number)))
    const waiting = Array.from({ length: 10 }, () => knock('ann', home))
    const other = knock('bob', home)
    await nextTurn()
    expect([count(ann, 'checking'), count(waiting, 'waiting'), other.state]).toEqual([10, 10, 'waiting'])
    waiting[3]?.abort()
    await nextTurn()
    expect(other.state).toBe('checking')
  })

  it('is not let in when it had closed before', async () => {
    const { lockout, knock } = lockoutWithClock({ failures: 1 })
    const ending = createEnding()
    ending.end()
    expect(await lockout.enter({ user: 'ann', address: home }, ending)).toBe(undefined)
    const one = knock('ann', home)
    await nextTurn()
    expect(one.state).toBe('checking')
  })

  it('while it is being checked still counts', async () => {
    const { knock, refused } = lockoutWithClock({ failures: 1, refuseAfter: 1 })
    const one = knock(undefined, home)
    await nextTurn()
    one.abort()
    one.end('wrong')
    expect(refused).toEqual([`address ${home}`])
  })
})

describe('An attempt', () => {
  it('ends once: what is said later changes nothing', async () => {
    const { knock, tryOut, refused } = lockoutWithClock()
    const one = knock('ann', home)
    await nextTurn()
    for (let again = 0; again < 20; again++) one.end('wrong')
    expect(refused).toEqual([])
    const next = Array.from({ length: 20 }, () => knock('ann', home))
    await nextTurn()
    expect(count(next, 'checking')).toBe(9)
    for (const other of next) other.abort()
    for (const other of next) if (other.state === 'checking') other.end('right')
    expect(await tryOut(14, 'ann', home)).toBe(14)
    expect(refused).toEqual(['user ann', `address ${home}`])
  })
})

describe('A lockout that is stopped', () => {
  it('ends all waiting, in line and delayed, and refuses what comes later', async () => {
    const { knock, tryOut, lockout, sleeping } = lockoutWithClock()
    await tryOut(10, undefined, elsewhere)
    const delayed = Array.from({ length: 3 }, () => knock(undefined, elsewhere))
    const knocks = Array.from({ length: 15 }, () => knock('ann', home))
    await nextTurn()
    expect([sleeping(), count(knocks, 'checking')]).toEqual([1, 10])
    lockout.stop()
    await nextTurn()
    const later = knock('bob', '203.0.113.1')
    await nextTurn()
    expect([sleeping(), count(delayed, 'refused'), count(knocks, 'refused')]).toEqual([0, 3, 5])
    expect(later.state).toBe('refused')
    for (const one of knocks.slice(0, 10)) one.end('wrong')
  })

  it('lets go of its own timers', async () => {
    const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length
    const settings = { ...defaults, failures: 1, delayMs: 3_600_000 }
    // Others come and go in this process, a few at a time.
    const lockouts = Array.from({ length: 100 }, () => createLockout(settings, () => undefined))
    const before = timers()
    const waiting: Promise<unknown>[] = []
    for (const lockout of lockouts) {
      const ending = createEnding()
      const first = await lockout.enter({ user: 'ann', address: home }, ending)
      first?.end('wrong')
      waiting.push(lockout.enter({ user: 'ann', address: home }, ending))
    }
    await nextTurn()
    expect(timers()).toBeGreaterThan(before + 80)
    for (const lockout of lockouts) lockout.stop()
    expect(new Set(await Promise.all(waiting))).toEqual(new Set([undefined]))
    expect(timers()).toBeLessThan(before + 20)
  })
})

describe('A device that logs in from its usual address', () => {
  it('is let in while its address and its user name are both refused to others', async () => {
    const { tryOut, lockout, refused } = lockoutWithClock()
    const known = createKnownLogins()
    const mayBeChecked = async (user: string, password: string, address: string) => {
      if (known.has(user, Buffer.from(password), address)) return true
      return (await lockout.enter({ user, address }, createEnding())) !== undefined
    }
    known.add('device', Buffer.from('secret'), home)
    await tryOut(15, 'device', home)
    expect(refused).toEqual(['user device', `address ${home}`])
    expect(await mayBeChecked('device', 'secret', home)).toBe(true)
    expect(await mayBeChecked('device', 'guess', home)).toBe(false)
    expect(await mayBeChecked('device', 'secret', elsewhere)).toBe(false)
  })
})
