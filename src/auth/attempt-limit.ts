import type { Ending } from '../ending/ending.js'

/** The numbers of the lockout, each of which is a setting. */
export interface LockoutSettings {
  /** `LOGIN_FAILURES`: after so many failures logins are slowed. */
  readonly failures: number
  /** `LOGIN_REFUSE_AFTER`: after so many they are refused; at `failures` or less, without being slowed first. */
  readonly refuseAfter: number
  /** `LOGIN_WINDOW_S`, in ms: the failures of this time count together, from the first of them on. */
  readonly windowMs: number
  /** `LOGIN_DELAY_MS`: how long a slowed login waits before it is checked. */
  readonly delayMs: number
  /** `LOGIN_REFUSE_S`, in ms. */
  readonly refuseForMs: number
}

/** What a check came to. One that is `undecided`, as it is when the database is away, counts as none. */
export type Outcome = 'right' | 'wrong' | 'undecided'

/** A login that may be checked. It keeps its place until `end`, whatever becomes of its connection. */
export interface Attempt {
  /** Has to be called, once; a further call changes nothing. */
  end(outcome: Outcome): void
}

/** Settles when the time is over, or at the end. Does not reject. */
export type Delay = (ms: number, ending: Ending) => Promise<unknown>

/** What an attempt limit works with. */
export interface AttemptLimitParts {
  readonly settings: LockoutSettings
  /** How many logins may wait; one more is refused. */
  readonly maxWaiting: number
  readonly now: () => number
  readonly delay: Delay
  /** Called at the failure with which logins become refused. */
  readonly onRefused: () => void
}

/** The failures of one address or one user name, and what they leave of its logins. */
export interface AttemptLimit {
  /** Waits in line until the login may be checked; `undefined`: it is refused, or has ended. */
  enter(ending: Ending): Promise<Attempt | undefined>
  /** Whether a login is waiting or being checked. */
  isBusy(): boolean
  /** Whether a failure counts at present. */
  hasFailures(): boolean
}

interface Place {
  readonly isSlowed: boolean
}

/**
 * Every login that is being checked might be wrong, so that no more are checked at a time than may fail: up
 * to `failures` less those there were, then one. Sent all at once, guesses get no further than one by one.
 */
export function createAttemptLimit(parts: AttemptLimitParts): AttemptLimit {
  const { settings, now } = parts
  const { refuseAfter } = settings
  const slowAfter = Math.min(settings.failures, refuseAfter)
  const waiting = new Set<(place: Place | undefined) => void>()
  let failures = 0
  let forgetAtMs = 0
  let checking = 0

  const forget = (): void => {
    if (now() >= forgetAtMs) failures = 0
  }

  const fail = (): void => {
    failures += 1
    if (failures === 1) forgetAtMs = now() + settings.windowMs
    if (failures !== refuseAfter) return
    forgetAtMs = now() + settings.refuseForMs
    parts.onRefused()
  }

  const letIn = (): void => {
    for (const settle of waiting) {
      const isRefused = failures >= refuseAfter
      if (!isRefused && checking >= Math.max(1, slowAfter - failures)) return
      waiting.delete(settle)
      if (!isRefused) checking += 1
      settle(isRefused ? undefined : { isSlowed: failures >= slowAfter })
    }
  }

  const takePlace = (ending: Ending) =>
    new Promise<Place | undefined>((resolve) => {
      const leave = (): void => settle(undefined)
      const settle: typeof resolve = (place) => {
        waiting.delete(settle)
        ending.offEnd(leave)
        resolve(place)
      }
      waiting.add(settle)
      forget()
      letIn()
      if (!waiting.has(settle)) return
      ending.onEnd(leave)
      if (waiting.size > parts.maxWaiting) leave()
    })

  const createAttempt = (): Attempt => {
    let hasEnded = false
    return {
      end(outcome) {
        if (hasEnded) return
        hasEnded = true
        checking -= 1
        forget()
        if (outcome === 'wrong') fail()
        letIn()
      },
    }
  }

  return {
    async enter(ending) {
      if (ending.hasEnded) return undefined
      const place = await takePlace(ending)
      if (place === undefined) return undefined
      const attempt = createAttempt()
      if (place.isSlowed) await parts.delay(settings.delayMs, ending)
      if (!ending.hasEnded) return attempt
      attempt.end('undecided')
      return undefined
    },
    isBusy: () => checking > 0 || waiting.size > 0,
    hasFailures() {
      forget()
      return failures > 0
    },
  }
}
