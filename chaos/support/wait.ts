import { setTimeout as delay } from 'node:timers/promises'

const LOOK_EVERY_MS = 50

/** Looks until it holds, or the time is up; whether it holds. */
export async function holdsWithin(timeMs: number, look: () => boolean | Promise<boolean>): Promise<boolean> {
  const untilMs = performance.now() + timeMs
  for (;;) {
    if (await look()) return true
    if (performance.now() > untilMs) return false
    await delay(LOOK_EVERY_MS)
  }
}
