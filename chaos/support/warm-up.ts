import { setTimeout as delay } from 'node:timers/promises'
import type { Fleet } from './fleet.js'
import { holdsWithin } from './wait.js'

/** What a scenario is meant to be done at, messages a second. */
const PER_SECOND = 5000

const WARM_UP_S = 5
const PATIENCE_MS = 600_000

/** Has the fleet report at the rate that is wanted, or half of what the machine does when it is asked for that. */
export async function warmUp(fleet: Fleet, say: (text: string) => void): Promise<number> {
  let perSecond = PER_SECOND
  for (;;) {
    const before = fleet.sent
    const beganMs = performance.now()
    fleet.setRate(perSecond)
    await delay(WARM_UP_S * 1000)
    fleet.setRate(0)
    await holdsWithin(PATIENCE_MS, () => fleet.acknowledged === fleet.sent)
    const reached = Math.round(((fleet.sent - before) * 1000) / (performance.now() - beganMs))
    if (reached > 0.8 * perSecond) break
    say(`${reached} of ${perSecond} messages/s are reached`)
    perSecond = Math.max(100, Math.floor(reached / 200) * 100)
  }
  fleet.takeLongestWaitMs()
  fleet.setRate(perSecond)
  return perSecond
}

/** A rate as a line of results has it. */
export function rateOf(perSecond: number): string {
  return perSecond < PER_SECOND ? `${perSecond} (what this machine can of ${PER_SECOND})` : `${perSecond}`
}
