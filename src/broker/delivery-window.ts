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
  const inFlight = new Map<number, Acknowledgement | undefined>()
  let last = 0
  return {
    get room() {
      return Math.max(0, limit - inFlight.size)
    },
    take() {
      for (let tried = 0; tried < HIGHEST; tried += 1) {
        last = (last % HIGHEST) + 1
        if (inFlight.has(last) || isReserved(last)) continue
        inFlight.set(last, undefined)
        return last
      }
      return undefined
    },
    claim(packetIdentifier) {
      if (inFlight.has(packetIdentifier)) return false
      inFlight.set(packetIdentifier, undefined)
      return true
    },
    sent: (packetIdentifier, awaits) => void inFlight.set(packetIdentifier, awaits),
    awaited: (packetIdentifier) => inFlight.get(packetIdentifier),
    free: (packetIdentifier) => void inFlight.delete(packetIdentifier),
  }
}
