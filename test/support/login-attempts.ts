import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Attempt, LockoutSettings, Outcome } from '#src/auth/attempt-limit.js'
import { createLockout, type LockoutOptions } from '#src/auth/lockout.js'
import { createEnding, type Ending } from '#src/ending/ending.js'

/** A login at a lockout, as its caller sees it. */
export interface Knock {
  readonly state: 'waiting' | 'checking' | 'refused' | 'over'
  end(outcome: Outcome): void
  /** Its connection closes. */
  abort(): void
}

/** The settings' own defaults. */
export const defaults: LockoutSettings = {
  failures: 10,
  refuseAfter: 15,
  windowMs: 60_000,
  delayMs: 1000,
  refuseForMs: 300_000,
}

/** A lockout with a clock to set. */
export function lockoutWithClock(changes: Partial<LockoutSettings> = {}, options: LockoutOptions = {}) {
  const time = settableTime()
  const refused: string[] = []
  const { clock, delay } = time
  const lockout = createLockout({ ...defaults, ...changes }, (kind, key) => refused.push(`${kind} ${key}`), {
    clock,
    delay,
    ...options,
  })

  const knock = (user: string | undefined, address: string): Knock => {
    const connection = createEnding()
    let attempt: Attempt | undefined
    let state: Knock['state'] = 'waiting'
    lockout.enter({ user, address }, connection).then((entered) => {
      attempt = entered
      state = entered === undefined ? 'refused' : 'checking'
    })
    return {
      get state() {
        return state
      },
      end(outcome) {
        if (state !== 'checking' && state !== 'over') throw new Error(`a login that is ${state} cannot end`)
        state = 'over'
        attempt?.end(outcome)
      },
      abort: () => connection.end(),
    }
  }

  return {
    ...time,
    lockout,
    /** Who became refused, as `kind key`. */
    refused,
    knock,
    /** Logs in `count` times, one after the other; tells how many of them were checked. */
    async tryOut(count: number, user: string | undefined, address: string, outcome: Outcome = 'wrong') {
      let checked = 0
      for (let number = 0; number < count; number++) {
        const one = knock(user, address)
        await nextTurn()
        while (time.sleeping() > 0 && one.state === 'waiting') await time.pass(defaults.delayMs)
        if (one.state !== 'checking') continue
        one.end(outcome)
        checked += 1
      }
      return checked
    },
  }
}

/** How many of `knocks` are in `state`. */
export function count(knocks: readonly Knock[], state: Knock['state']): number {
  return knocks.filter((one) => one.state === state).length
}

/** Numbers from 0 to 1, the same ones for the same seed. (mulberry32) */
export function randomOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

function settableTime() {
  let nowMs = 1_000_000
  const sleepers = new Set<{ readonly untilMs: number; readonly wake: () => void }>()
  return {
    clock: { now: () => nowMs },
    delay: (ms: number, ending: Ending) =>
      new Promise<void>((resolve) => {
        const wake = (): void => {
          sleepers.delete(sleeper)
          resolve()
        }
        const sleeper = { untilMs: nowMs + ms, wake }
        sleepers.add(sleeper)
        ending.onEnd(wake)
      }),
    /** How many delays are running. */
    sleeping: () => sleepers.size,
    async pass(ms: number) {
      nowMs += ms
      for (const { untilMs, wake } of sleepers) if (untilMs <= nowMs) wake()
      await nextTurn()
    },
  }
}
