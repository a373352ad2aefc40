import { RequestError } from './request-error.js'

/** Lets so many through at once. */
export interface Turnstile {
  /** Does `work` when it is its turn; rejects with a RequestError (503) when too many wait already. */
  pass<T>(work: () => Promise<T>): Promise<T>
}

/** First come, first served: `atOnce` at a time, and `maxWaiting` behind them. */
export function createTurnstile(atOnce: number, maxWaiting: number): Turnstile {
  const waiting: (() => void)[] = []
  let inside = 0
  return {
    async pass(work) {
      if (inside < atOnce) inside += 1
      else if (waiting.length >= maxWaiting) {
        throw new RequestError(503, 'too many ask for this at once; ask again later')
      } else await new Promise<void>((resolve) => waiting.push(resolve))
      try {
        return await work()
      } finally {
        const next = waiting.shift()
        if (next === undefined) inside -= 1
        else next() // which takes the place
      }
    },
  }
}
