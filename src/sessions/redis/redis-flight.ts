import type { DeliveredPacket } from '../sessions.js'

/** What one connection was given. */
export interface Flight {
  /** Numbers of messages by the packet identifiers that they were sent with. */
  readonly numbers: Map<number, string>
  /** Numbers of messages that it has from the queue. */
  readonly taken: Set<string>
  /** Numbers of those that came live while it was given these. */
  readonly early: Set<string>
  /** When it had all that waited; since then messages reach it live. */
  liveSinceMs: number | undefined
  /** A message of the queue that is being given to it in this moment. */
  passing: object | undefined
}

const PACKET_IDENTIFIERS = 65_535

/** Beside the packet identifier: its client has the message, and is to be sent PUBREL. */
const RELEASED = 'r'

/** So long after it went live a connection may still be brought, by another instance, what it had from the queue. */
const LATE_MS = 60_000

/** The flight of a connection that was given nothing yet. */
export function createFlight(): Flight {
  return {
    numbers: new Map(),
    taken: new Set(),
    early: new Set(),
    liveSinceMs: undefined,
    passing: undefined,
  }
}

/** The name of a message in Redis; `undefined` for one that is in no queue. */
export function numberOf({ brokerId, brokerCounter }: DeliveredPacket): string | undefined {
  // Aedes takes the id away from a retained message.
  return typeof brokerId !== 'string' || brokerCounter === undefined
    ? undefined
    : `${brokerId}:${brokerCounter}`
}

/** Whether a message that is not from the queue may reach a connection now. */
export function mayDeliverLive(flight: Flight, number: string): boolean {
  if (flight.liveSinceMs === undefined) {
    if (!flight.taken.has(number)) flight.early.add(number)
    return false
  }
  if (flight.taken.size === 0) return true
  if (performance.now() - flight.liveSinceMs > LATE_MS) flight.taken.clear()
  return !flight.taken.has(number)
}

/** Packets in flight have identifiers that differ [MQTT-2.3.1-2]; some are from an earlier connection. */
export function freeIdentifier({ numbers }: Flight, wanted: number, number: string): number {
  let id = wanted
  for (let tried = 0; tried < PACKET_IDENTIFIERS; tried += 1) {
    const holder = numbers.get(id)
    if (holder === undefined || holder === number) return id
    id = (id % PACKET_IDENTIFIERS) + 1
  }
  return wanted
}

/** How Redis has what became of a message that was sent. */
export function toSent(packetId: number, isReleased: boolean): string {
  return `${packetId}${isReleased ? RELEASED : ''}`
}

/** The packet identifier in that. */
export function sentIdentifier(sent: string): number {
  return Number.parseInt(sent, 10)
}

/** A message of a queue as Aedes names it; `undefined` for one that is forgotten. */
export function toPacket(
  number: string,
  { topic, payload, qos }: Readonly<Record<string, Buffer>>,
  sent: string | undefined,
): object | undefined {
  const at = number.lastIndexOf(':')
  const origin = { brokerId: number.slice(0, at), brokerCounter: Number(number.slice(at + 1)) }
  if (sent?.endsWith(RELEASED) === true) return { ...origin, cmd: 'pubrel', messageId: sentIdentifier(sent) }
  if (topic === undefined || payload === undefined) return undefined
  return {
    ...origin,
    cmd: 'publish',
    topic: topic.toString(),
    payload,
    qos: String(qos) === '2' ? 2 : 1,
    retain: false, // it was published after the subscription was made [MQTT-3.3.1-9]
    dup: sent !== undefined, // [MQTT-3.3.1-1]
    ...(sent === undefined ? {} : { messageId: sentIdentifier(sent) }),
  }
}
