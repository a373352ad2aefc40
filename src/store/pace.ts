/** Waits before the next of `left` steps, if there is time for that. */
export type Pause = (left: number) => Promise<void>

/** Spreads work over time, so that what else happens then waits less, until somebody waits for the work. */
export interface Pace {
  /** The pauses of work that may take `forMs` from now on. */
  spread(forMs: number): Pause
  /** No pause is made, nor goes on, until the function that this returns is called. */
  hurry(): () => void
}

/** For work of which only one stretch runs at a time. */
export function createPace(): Pace {
  let hurried = 0
  let endPause = (): void => undefined

  const pause = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      const timer = setTimeout(resolve, ms)
      endPause = () => {
        clearTimeout(timer)
        resolve()
      }
    })

  return {
    spread(forMs) {
      const endMs = performance.now() + forMs
      return async (left) => {
        const ms = (endMs - performance.now()) / (left + 1)
        if (hurried === 0 && ms >= 1) await pause(ms)
      }
    },
    hurry() {
      hurried += 1
      endPause()
      return () => {
        hurried -= 1
      }
    },
  }
}
