/** What has begun and not ended. */
export interface InFlight {
  /** Something begins; returns what is to be called, once, when it ends. */
  begin(): () => void
  /** Resolves when all that had begun before this call has ended, whatever has begun since. */
  settled(): Promise<void>
}

/** What began between two calls of `settled`. */
interface Generation {
  open: number
  readonly resolves: (() => void)[]
}

/** Nothing in flight yet. */
export function createInFlight(): InFlight {
  let newest: Generation = { open: 0, resolves: [] }
  const generations = [newest]

  const letGo = (): void => {
    while (generations[0]?.open === 0 && generations[0] !== newest) {
      for (const resolve of generations.shift()?.resolves ?? []) resolve()
    }
  }

  return {
    begin() {
      const own = newest
      own.open += 1
      return () => {
        own.open -= 1
        letGo()
      }
    },
    settled: () =>
      new Promise((resolve) => {
        newest.resolves.push(resolve)
        newest = { open: 0, resolves: [] }
        generations.push(newest)
        letGo()
      }),
  }
}
