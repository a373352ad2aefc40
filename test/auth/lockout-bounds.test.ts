import { randomBytes } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import type { LockoutSettings, Outcome } from '#src/auth/attempt-limit.js'
import { createLockout } from '#src/auth/lockout.js'
import { createEnding } from '#src/ending/ending.js'
import { count, defaults, type Knock, lockoutWithClock, randomOf } from '../support/login-attempts.js'

/** What the failures of one key allow, worked out from outside. */
interface Ledger {
  readonly isRefused: () => boolean
  /** The most that may be checked at a time. */
  readonly places: () => number
  readonly countWrong: () => void
}

interface Visit {
  readonly keys: readonly string[]
  readonly one: Knock
}

function createLedger(settings: LockoutSettings, now: () => number): Ledger {
  let wrong = 0
  let overAtMs = 0
  const current = (): number => (now() < overAtMs ? wrong : 0)
  const isRefused = (): boolean => current() >= settings.refuseAfter
  return {
    isRefused,
    places: () => (isRefused() ? 0 : Math.max(1, settings.failures - current())),
    countWrong() {
      wrong = current() + 1
      if (wrong === 1) overAtMs = now() + settings.windowMs
      if (wrong === settings.refuseAfter) overAtMs = now() + settings.refuseForMs
    },
  }
}

/** Connections whose logins come, end, close and wait in a random order. */
function createSchedule(seed: number) {
  const random = randomOf(seed)
  const below = (limit: number): number => Math.floor(random() * limit)
  const oneOf = <T>(list: readonly T[]): T | undefined => list[below(list.length)]
  const times = { windowMs: 20_000, refuseForMs: 30_000 }
  const settings = { ...defaults, ...times, failures: 1 + below(6), refuseAfter: 1 + below(9) }
  const { knock, pass, clock, refused, sleeping } = lockoutWithClock(settings)
  const ledgers = new Map<string, Ledger>()
  let visits: Visit[] = []
  let checked = 0

  const ledgerOf = (key: string): Ledger => {
    const ledger = ledgers.get(key) ?? createLedger(settings, clock.now)
    ledgers.set(key, ledger)
    return ledger
  }
  const inState = (state: Knock['state']) => visits.filter(({ one }) => one.state === state)
  const end = ({ keys, one }: Visit, how: Outcome): void => {
    checked += 1
    if (how === 'wrong') for (const key of keys) ledgerOf(key).countWrong()
    one.end(how)
  }
  const steps: readonly (() => unknown)[] = [
    () => {
      const [address, user] = [`192.0.2.${below(3)}`, oneOf([undefined, 'ann', 'bob', 'cid'])]
      const keys = [`address ${address}`, ...(user === undefined ? [] : [`user ${user}`])]
      visits.push({ keys, one: knock(user, address) })
    },
    () => {
      const visit = oneOf(inState('checking'))
      if (visit !== undefined) end(visit, oneOf(['wrong', 'wrong', 'wrong', 'right', 'undecided']) ?? 'wrong')
    },
    () => below(4) === 0 && oneOf(inState('waiting'))?.one.abort(),
    () => below(3) === 0 && pass(below(10) === 0 ? 30_000 : below(3000)),
    () => nextTurn(),
  ]

  return {
    step: async () => {
      await oneOf(steps)?.()
      visits = visits.filter(({ one }) => one.state === 'waiting' || one.state === 'checking')
    },
    /** The keys of which more are being checked than may be. */
    overrun() {
      const checking = inState('checking').flatMap(({ keys }) => keys)
      const countOf = (key: string): number => checking.filter((other) => other === key).length
      return [...new Set(checking)].filter((key) => countOf(key) > ledgerOf(key).places())
    },
    /** Lets everything that waits come to its end, and tells how much was left and how much there was. */
    async finish() {
      for (let round = 0; round < 1000 && inState('waiting').length > 0; round++) {
        for (const visit of inState('checking')) end(visit, 'right')
        await pass(defaults.delayMs)
      }
      return { left: inState('waiting').length + sleeping(), checked, refused: refused.length }
    },
  }
}

describe('In any order of events', () => {
  it('no more guesses are checked than may fail, and nobody waits for ever', async () => {
    const total = { checked: 0, refused: 0 }
    for (let seed = 0; seed < 50; seed++) {
      const schedule = createSchedule(seed)
      for (let step = 0; step < 1000; step++) {
        await schedule.step()
        expect({ seed, step, overrun: schedule.overrun() }).toEqual({ seed, step, overrun: [] })
      }
      const { left, checked, refused } = await schedule.finish()
      expect({ seed, left }).toEqual({ seed, left: 0 })
      total.checked += checked
      total.refused += refused
    }
    expect(total.checked).toBeGreaterThan(2500)
    expect(total.refused).toBeGreaterThan(250)
  })
})

describe('A thousand wrong guesses at once', () => {
  const guessers = [
    ['from one address', (number: number) => ({ user: `user ${number}`, address: '192.0.2.1' })],
    [
      'of one user name',
      (number: number) => ({ user: 'ann', address: `10.0.${number >> 8}.${number & 255}` }),
    ],
    ['of one user name from one address', () => ({ user: 'ann', address: '192.0.2.1' })],
  ] as const

  it.each(guessers)('%s: LOGIN_REFUSE_AFTER of them are checked', async (_who, loginOf) => {
    const { knock, pass } = lockoutWithClock()
    const knocks = Array.from({ length: 1000 }, (_, number) => {
      const { user, address } = loginOf(number)
      return knock(user, address)
    })
    await nextTurn()
    for (let round = 0; round < 50; round++) {
      for (const one of knocks) if (one.state === 'checking') one.end('wrong')
      await pass(500)
    }
    expect([count(knocks, 'over'), count(knocks, 'refused')]).toEqual([15, 985])
  })
})

describe('The memory of failures', () => {
  setFlagsFromString('--expose-gc')
  const collectGarbage: () => void = runInNewContext('gc')
  const heapMegabytes = (): number => {
    collectGarbage()
    return process.memoryUsage().heapUsed / 1_048_576
  }
  const neverSlowed = { ...defaults, failures: 1_000_000, refuseAfter: 1_000_000 }
  const ending = createEnding()

  it('has a bound: 200,000 made-up names, each from an address of its own', async () => {
    const lockout = createLockout(neverSlowed, () => undefined)
    const before = heapMegabytes()
    for (let number = 0; number < 200_000; number++) {
      const address = `10.${number >> 16}.${(number >> 8) & 255}.${number & 255}`
      const attempt = await lockout.enter({ user: `user ${number}`, address }, ending)
      attempt?.end('wrong')
    }
    expect(heapMegabytes() - before).toBeLessThan(60)
    lockout.stop()
  })

  it('holds none of the text of a long user name', async () => {
    const lockout = createLockout(neverSlowed, () => undefined)
    const before = heapMegabytes()
    for (let number = 0; number < 1000; number++) {
      const user = randomBytes(32_000).toString('hex')
      const attempt = await lockout.enter({ user, address: '192.0.2.1' }, ending)
      attempt?.end('wrong')
    }
    expect(heapMegabytes() - before).toBeLessThan(16)
    lockout.stop()
  })

  it('forgets the key longest unused, and never one whose login is on its way', async () => {
    const { tryOut, knock } = lockoutWithClock({}, { maxKeys: 2 })
    await tryOut(15, undefined, '192.0.2.1')
    await tryOut(14, undefined, '192.0.2.2')
    const busy = knock(undefined, '192.0.2.2')
    await nextTurn()
    await tryOut(15, undefined, '192.0.2.3')
    expect(await tryOut(1, undefined, '192.0.2.1')).toBe(0)
    await tryOut(15, undefined, '192.0.2.4')
    expect(await tryOut(1, undefined, '192.0.2.1')).toBe(0)
    expect(await tryOut(1, undefined, '192.0.2.3')).toBe(1)
    const second = knock(undefined, '192.0.2.2')
    await nextTurn()
    expect([busy.state, second.state]).toEqual(['checking', 'waiting'])
    busy.end('wrong')
    await nextTurn()
    expect(second.state).toBe('refused')
  })

  it('is not crowded out by logins that are right', async () => {
    const { tryOut } = lockoutWithClock({}, { maxKeys: 2 })
    await tryOut(15, undefined, '192.0.2.1')
    for (let number = 0; number < 10; number++) await tryOut(1, 'ann', `198.51.100.${number}`, 'right')
    expect(await tryOut(1, undefined, '192.0.2.1')).toBe(0)
  })
})
