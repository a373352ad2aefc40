import type { Acknowledgement } from '../mqtt/read-packets.js'
import type { PacketIdentifiers } from '../sessions/sessions.js'

/** What is on its way to one client at QoS 1 and 2, by packet identifiers. */
export interface DeliveryWindow extends PacketIdentifiers {
  /** How many more may be on their way. */
  readonly room: number
  /** A message was sent, or its PUBREL, and is to be answered so. */
  sent(packetIdentifier: number, awaits: Acknowledgement): void
  /** What is to come for it; `undefined` where nothing was sent. */
  awaited(packetIdentifier: number): Acknowledgement | undefined
  /** The client has acknowledged it for good, with PUBACK or PUBCOMP, or it was not sent. */
  free(packetIdentifier: number): void
}

/** What is to come for a message that was sent at this QoS. */
export const awaitedFor = (qos: 0 | 1 | 2): Acknowledgement => (qos === 2 ? 'pubrec' : 'puback')

const HIGHEST = 65_535

/**
 * A window of `limit` messages. `isReserved` says which identifiers belong to messages that were sent on an
 * earlier connection and are still to be sent again.
 */
export function createDeliveryWindow(
  limit: number,
  isReserved: (packetIdentifier: number) => boolean,
): DeliveryWindow {
  return new Window(limit, isReserved)
}

class Window implements DeliveryWindow {
  readonly #limit: number
  readonly #isReserved: (packetIdentifier: number) => boolean
  /** Absent until the first message: most clients only publish. */
  #inFlight: Map<number, Acknowledgement | undefined> | undefined
  #last = 0

  constructor(limit: number, isReserved: (packetIdentifier: number) => boolean) {
    this.#limit = limit
    this.#isReserved = isReserved
  }

  get room(): number {
    return Math.max(0, this.#limit - (this.#inFlight?.size ?? 0))
  }

  take(): number | undefined {
    for (let tried = 0; tried < HIGHEST; tried += 1) {
      this.#last = (this.#last % HIGHEST) + 1
      if (!this.#isReserved(this.#last) && this.claim(this.#last)) return this.#last
    }
    return undefined
  }

  claim(packetIdentifier: number): boolean {
    this.#inFlight ??= new Map()
    if (this.#inFlight.has(packetIdentifier)) return false
    this.#inFlight.set(packetIdentifier, undefined)
    return true
  }

  sent(packetIdentifier: number, awaits: Acknowledgement): void {
    this.#inFlight ??= new Map()
    this.#inFlight.set(packetIdentifier, awaits)
  }

  awaited(packetIdentifier: number): Acknowledgement | undefined {
    return this.#inFlight?.get(packetIdentifier)
  }

  free(packetIdentifier: number): void {
    this.#inFlight?.delete(packetIdentifier)
  }
}
