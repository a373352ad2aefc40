/** By how much a count has grown of late. */
export interface Growth {
  /** Takes the count as it is now, and returns its growth over the last `samples` calls. */
  update(count: number): number
}

/** Of a count that begins with `first`; called at regular intervals. */
export function createGrowth(samples: number, first: number): Growth {
  const counts = [first]
  return {
    update(count) {
      counts.push(count)
      if (counts.length > samples + 1) counts.shift()
      return count - (counts[0] ?? count)
    },
  }
}
