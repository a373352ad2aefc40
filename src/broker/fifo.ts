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
  return new ArrayFifo()
}

class ArrayFifo<T> implements Fifo<T> {
  #items: (T | undefined)[] = []
  #taken = 0

  get length(): number {
    return this.#items.length - this.#taken
  }

  push(item: T): void {
    this.#items.push(item)
  }

  shift(): T | undefined {
    if (this.length === 0) return undefined
    const item = this.#items[this.#taken]
    this.#items[this.#taken] = undefined
    this.#taken += 1
    if (this.length === 0 || this.#taken >= FORGOTTEN_TOGETHER) {
      this.#items = this.#items.slice(this.#taken)
      this.#taken = 0
    }
    return item
  }

  clear(): void {
    this.#items = []
    this.#taken = 0
  }
}
