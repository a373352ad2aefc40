import type { Alert, Measured, Rule, Standing, Subject } from './alert.js'

/** Raises and ends alerts by rules. */
export interface Judge {
  /** Measures everything, and returns what has been raised or has ended since the call before. */
  evaluate(nowMs: number): readonly Alert[]
  /** Alerts that were raised and have not ended, with their newest values. */
  inForce(): readonly Standing[]
  /** How many were not raised since this was asked last, for want of room. */
  takeLeftOut(): number
}

/** What a judge is made of. */
export interface JudgeOptions {
  readonly rules: readonly Rule[]
  /** What the server calls itself in the alerts. */
  readonly server: string
  /** How many of one rule may be in force; further ones are not raised until some have ended. */
  readonly maxInForce: number
  /** What the run of the server before has left in force; each ends, or goes on, as its rule says. */
  readonly before: readonly Standing[]
  /** Epoch ms. */
  readonly clock: { now(): number }
}

/** Raises and ends them as the rules say. */
export function createJudge(options: JudgeOptions): Judge {
  const states = options.rules.map((rule) => createRuleState(rule, options))
  return {
    evaluate: (nowMs) => states.flatMap((state) => state.evaluate(nowMs)),
    inForce: () => states.flatMap((state) => state.inForce()),
    takeLeftOut: () => states.reduce((sum, state) => sum + state.takeLeftOut(), 0),
  }
}

/** `calm`: for how many evaluations its value has been low. */
interface Raised {
  alert: Alert
  calm: number
}

function createRuleState(rule: Rule, options: JudgeOptions): Judge {
  const raised = new Map<string, Raised>()
  for (const { key, alert } of options.before) {
    if (alert.alert === rule.name) raised.set(key, { alert, calm: 0 })
  }
  /** For how many evaluations the values of those that are not raised have been high. */
  let rising = new Map<string, number>()
  let leftOut = 0

  const raise = ({ key, subject, value }: Measured): readonly Alert[] => {
    if (raised.size >= options.maxInForce) {
      leftOut += 1
      return []
    }
    const alert = toAlert(rule, subject, value, options)
    raised.set(key, { alert, calm: 0 })
    return [alert]
  }

  const endSome = (values: ReadonlyMap<string, number>): readonly Alert[] => {
    const ended: Alert[] = []
    for (const [key, one] of raised) {
      const value = values.get(key) ?? 0
      one.calm = value > rule.endsAt ? 0 : one.calm + 1
      one.alert = { ...one.alert, value: rounded(value) }
      if (one.calm < rule.holds) continue
      raised.delete(key)
      ended.push(toEnded(rule, one.alert, options))
    }
    return ended
  }

  return {
    evaluate(nowMs) {
      const values = new Map<string, number>()
      const high: Measured[] = []
      const nowRising = new Map<string, number>()
      for (const measured of rule.measure(nowMs)) {
        const { key, value } = measured
        if (raised.has(key)) values.set(key, value)
        else if (value > rule.threshold) {
          const times = (rising.get(key) ?? 0) + 1
          if (times >= rule.holds) high.push(measured)
          else nowRising.set(key, times)
        }
      }
      rising = nowRising
      const ended = endSome(values)
      return [...ended, ...high.flatMap(raise)]
    },
    inForce: () => [...raised].map(([key, { alert }]) => ({ key, alert })),
    takeLeftOut() {
      const count = leftOut
      leftOut = 0
      return count
    },
  }
}

function toAlert(rule: Rule, subject: Subject, value: number, { server, clock }: JudgeOptions): Alert {
  const { name: alert, severity, threshold, unit } = rule
  const message = `${rule.what(subject)}: ${rounded(value)} ${unit}, more than ${threshold}`
  const since = new Date(clock.now()).toISOString()
  return {
    alert,
    state: 'raised',
    severity,
    subject,
    value: rounded(value),
    threshold,
    since,
    server,
    message,
  }
}

function toEnded(rule: Rule, alert: Alert, { clock }: JudgeOptions): Alert {
  const nowMs = clock.now()
  const seconds = Math.max(0, Math.round((nowMs - Date.parse(alert.since)) / 1000))
  const message = `over after ${seconds} s: ${rule.what(alert.subject)}`
  return { ...alert, state: 'ended', until: new Date(nowMs).toISOString(), message }
}

function rounded(value: number): number {
  return Math.round(value * 10) / 10
}
