import { encodePubacks } from '../mqtt/encode-packet.js'

/** What is written to one connection in one turn. */
export interface Gathering {
  write(bytes: Buffer): void
  /** The same for what may leave a little later, behind whatever runs with `setImmediate` in this turn. */
  writeLater(bytes: Buffer): void
  /** A PUBACK; those of one turn come before all else of it. */
  acknowledge(packetIdentifier: number): void
  /** Sends what there is. */
  flush(): void
}

/** So much is gathered for one write: beyond that the copy costs as much as the call. */
export const MAX_GATHERED_BYTES = 16_384

/**
 * Gathers it, and sends it as one buffer before the turn is over: a call of the kernel costs more than all that is
 * done with a packet. `join` makes one buffer of several.
 */
export function createGathering(
  join: (buffers: readonly Buffer[]) => Buffer,
  send: (bytes: Buffer) => void,
): Gathering {
  return new TurnOfWrites(join, send)
}

/** One function for all connections. */
const endTurn = (turn: TurnOfWrites): void => turn.endTurn()
const endLater = (turn: TurnOfWrites): void => turn.endLater()

class TurnOfWrites implements Gathering {
  readonly #join: (buffers: readonly Buffer[]) => Buffer
  readonly #send: (bytes: Buffer) => void
  readonly #acknowledged: number[] = []
  #gathered: Buffer[] = []
  #gatheredBytes = 0
  #isScheduled = false
  #isScheduledLater = false

  constructor(join: (buffers: readonly Buffer[]) => Buffer, send: (bytes: Buffer) => void) {
    this.#join = join
    this.#send = send
  }

  write(bytes: Buffer): void {
    this.#schedule()
    this.#gather(bytes)
  }

  writeLater(bytes: Buffer): void {
    if (!this.#isScheduledLater) {
      this.#isScheduledLater = true
      setImmediate(endLater, this)
    }
    this.#gather(bytes)
  }

  acknowledge(packetIdentifier: number): void {
    this.#schedule()
    this.#acknowledged.push(packetIdentifier)
  }

  flush(): void {
    if (this.#acknowledged.length > 0) {
      const pubacks = encodePubacks(this.#acknowledged)
      this.#acknowledged.length = 0 // a new array would cost more than the PUBACK
      if (this.#gathered.length === 0) {
        this.#send(pubacks)
        return
      }
      this.#gathered.unshift(pubacks)
    }
    if (this.#gathered.length === 0) return
    const bytes = this.#join(this.#gathered)
    this.#gathered = []
    this.#gatheredBytes = 0
    this.#send(bytes)
  }

  #gather(bytes: Buffer): void {
    this.#gathered.push(bytes)
    this.#gatheredBytes += bytes.length
    if (this.#gatheredBytes >= MAX_GATHERED_BYTES) this.flush()
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    process.nextTick(endTurn, this)
  }

  endTurn(): void {
    this.#isScheduled = false
    this.flush()
  }

  endLater(): void {
    this.#isScheduledLater = false
    this.flush()
  }
}
