import { createLru } from '../cache/lru.js'

/** Lets each key through once an interval. */
export interface RateLimit {
  /**
   * The number of times the key was held back since it was last let through, or `undefined`: hold it back
   * now.
   */
  admit(key: string): number | undefined
}

interface Held {
  readonly sinceMs: number
  count: number
}

/** Remembers at most `maxKeys` keys, so that keys made up by a peer cost no memory; the oldest is forgotten. */
export function createRateLimit(
  intervalMs: number,
  maxKeys: number,
  now: () => number = () => performance.now(),
): RateLimit {
  const keys = createLru<string, Held>(maxKeys)
  return {
    admit(key) {
      const held = keys.get(key)
      const isHeldBack = held !== undefined && Math.abs(now() - held.sinceMs) < intervalMs
      if (isHeldBack) {
        held.count += 1
        return undefined
      }
      keys.set(key, { sinceMs: now(), count: 0 })
      return held?.count ?? 0
    },
  }
}
