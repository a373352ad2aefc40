/** A time by which a few steps must be done together. */
export interface Deadline {
  /** What `work` comes to, or a rejection once the time is up; `late` gets what comes after that. */
  limit<T>(work: Promise<T>, late?: (value: T) => void): Promise<T>
  /** Lets go of the timer. */
  clear(): void
}

/** Starts the time; `expired` makes the error with which steps are then rejected. */
export function startDeadline(timeoutMs: number, expired: () => Error): Deadline {
  let isOver = false
  let timer: NodeJS.Timeout | undefined
  const end = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      isOver = true
      reject(expired())
    }, timeoutMs)
  })
  // Between two steps nobody listens; the next step meets the rejection.
  end.catch(() => {})
  return {
    limit(work, late) {
      const watched = work.then((value) => {
        if (isOver) late?.(value)
        return value
      })
      return Promise.race([watched, end])
    },
    clear: () => clearTimeout(timer),
  }
}
