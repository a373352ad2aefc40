/** Random numbers that are the same at each run, so that what fails can be looked at. */
export interface Random {
  /** A whole number from 0 up to but not including `limit`. */
  below(limit: number): number
  /** One of a list. */
  of<T>(list: readonly T[]): T
}

/** Marsaglia's xorshift of 32 bits (Journal of Statistical Software 8, 14), from a seed other than 0. */
export function createRandom(seed: number): Random {
  let state = seed | 0
  const below = (limit: number): number => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % limit
  }
  return {
    below,
    of<T>(list: readonly T[]): T {
      const [found] = list.slice(below(list.length)) as [T]
      return found
    },
  }
}
