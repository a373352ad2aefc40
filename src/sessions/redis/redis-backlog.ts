import type { Tally } from '../../metrics/tally.js'
import type { Backlog, LiveMessage, Outgoing, PacketIdentifiers, Stamped } from '../sessions.js'

/** A packet of a queue in Redis, as aedes-persistence-redis keeps it. */
export interface RedisPacket extends Stamped {
  readonly cmd: string
  readonly topic?: string
  readonly payload?: Buffer | string
  readonly qos?: 0 | 1 | 2
  /** `null` until it is sent. */
  readonly messageId?: number | null | undefined
}

/** What a backlog works on. */
export interface RedisBacklogParts {
  /** The queue in Redis as it is when that is asked for. */
  readonly queued: () => AsyncIterable<RedisPacket>
  /** Records with which packet identifier a message is sent. */
  readonly identify: (packet: RedisPacket) => Promise<unknown>
  /** Takes the message with a packet identifier from the queue. */
  readonly remove: (packetIdentifier: number) => Promise<unknown>
  readonly tally: Pick<Tally, 'queueDropped'>
  /** Messages that wait in this process; further ones stay in Redis until the client comes back. */
  readonly maxQueued: number
}

/** Live messages that are in the queue as well were published while it was read: they are the last of it. */
const MAX_SEEN = 1000

/**
 * First what is queued in Redis, and behind it what reaches the connection meanwhile, which is in Redis as well,
 * and waits here in memory.
 */
export function createRedisBacklog(parts: RedisBacklogParts): Backlog {
  const { queued, identify, tally, maxQueued } = parts
  const reserved = new Set<number>()
  const seen = new Set<string>()
  const live: (Stamped & LiveMessage)[] = []
  let stream: AsyncIterator<RedisPacket> | undefined
  let isRead = false

  /** Its identifiers first, so that none of them is given to another message. */
  const begin = async (): Promise<AsyncIterator<RedisPacket>> => {
    for await (const { messageId } of queued()) if (messageId != null) reserved.add(messageId)
    return queued()[Symbol.asyncIterator]()
  }

  const next = async (): Promise<RedisPacket | undefined> => {
    if (!isRead) {
      stream ??= await begin()
      const { done = false, value } = await stream.next()
      if (!done) return remember(value)
      isRead = true
      reserved.clear()
    }
    for (let one = live.shift(); one !== undefined; one = live.shift()) {
      if (!seen.delete(keyOf(one))) return { cmd: 'publish', ...one }
    }
    return undefined
  }
  const remember = (packet: RedisPacket): RedisPacket => {
    seen.add(keyOf(packet))
    const [oldest] = seen
    if (oldest !== undefined && seen.size > MAX_SEEN) seen.delete(oldest)
    return packet
  }

  return {
    holds: () => false,
    arrived(message, room) {
      if (live.length < maxQueued + room) live.push(message)
      else tally.queueDropped += 1
    },
    async take(count, identifiers) {
      const outgoing: Outgoing[] = []
      const identified: Promise<unknown>[] = []
      while (outgoing.length < count) {
        const packet = await next()
        if (packet === undefined) break
        const packetIdentifier = choose(packet, identifiers)
        if (packetIdentifier === undefined) break
        if (packet.messageId != null) reserved.delete(packet.messageId)
        identified.push(identify({ ...packet, messageId: packetIdentifier }))
        outgoing.push(toOutgoing(packet, packetIdentifier))
      }
      await Promise.all(identified)
      return outgoing
    },
    discard: parts.remove,
    reserves: (packetIdentifier) => reserved.has(packetIdentifier),
  }
}

/** A message is kept once for all sessions, so that its identifier may be another client's. */
function choose({ messageId }: RedisPacket, identifiers: PacketIdentifiers): number | undefined {
  if (messageId != null && identifiers.claim(messageId)) return messageId
  return identifiers.take()
}

function keyOf({ brokerId, brokerCounter }: Stamped): string {
  return `${brokerCounter} ${brokerId}`
}

function toOutgoing(packet: RedisPacket, packetIdentifier: number): Outgoing {
  const { cmd, topic = '', payload = '', qos = 1, messageId } = packet
  if (cmd === 'pubrel') return { cmd, packetIdentifier }
  return { cmd: 'publish', topic, payload, qos, isRepeated: messageId != null, packetIdentifier }
}
