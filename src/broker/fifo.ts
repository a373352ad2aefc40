/** What waits in the order of its coming. */
export interface Fifo<T> {
  readonly length: number
  push(item: T): void
  /** The first, which is taken out. */
  shift(): T | undefined
  clear(): void
}

/** Taken ones are forgotten so many at a time; an array of many thousands that shifts moves all the others. */
const FORGOTTEN_TOGETHER = 1000

/** An empty one. */
export function createFifo<T>(): Fifo<T> {
  let items: (T | undefined)[] = []
  let taken = 0
  return {
    get length() {
      return items.length - taken
    },
    push: (item) => void items.push(item),
    shift() {
      if (taken === items.length) return undefined
      const item = items[taken]
      items[taken] = undefined
      taken += 1
      if (taken === items.length || taken >= FORGOTTEN_TOGETHER) {
        items = items.slice(taken)
        taken = 0
      }
      return item
    },
    clear() {
      items = []
      taken = 0
    },
  }
}
