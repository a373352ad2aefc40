import type { Redis } from 'ioredis'
import type { Backlog, Outgoing, PacketIdentifiers } from '../sessions.js'
import { keys } from './redis-keys.js'

/** The queue of a session in Redis, for one connection of its client. */
export interface RedisBacklog extends Backlog {
  /** The client has a QoS 2 message, and is to be sent PUBREL from now on. */
  release(packetId: number): Promise<void>
}

/** What one connection was given. */
interface Flight {
  /** Places in the queue that it was given and has not acknowledged. */
  readonly taken: Set<string>
  /** All that were sent to the client, by their packet identifiers. */
  readonly sent: Map<number, string>
}

/** Where nothing waits any more, the session has ended. The arguments are places, and how each was sent. */
const MARK = `if redis.call('exists', KEYS[2]) == 1 then redis.call('hset', KEYS[1], unpack(ARGV)) end`

const DEQUEUE = `redis.call('hdel', KEYS[2], ARGV[1])
if redis.call('lrem', KEYS[1], 1, ARGV[1]) == 1 and redis.call('hincrby', KEYS[3], 'waiting', -1) < 1 then
  redis.call('del', KEYS[3])
end`

/** Beside the packet identifier: its client has the message, and is to be sent PUBREL. */
const RELEASED = 'r'

/**
 * A message is in the queue before any instance tells of it; so all that comes to the connection at QoS 1 and 2
 * comes from here, in its order, whichever instance it was published on. What it was given and has not
 * acknowledged stands at the queue's beginning, and what is taken next follows.
 */
export function createRedisBacklog(redis: Redis, clientId: string): RedisBacklog {
  const flight: Flight = { taken: new Set(), sent: new Map() }
  let beginning: Promise<void> | undefined

  /** The identifiers of earlier connections first, so that none of them is given to another message. */
  const begin = async (): Promise<void> => {
    const sent = await redis.hgetall(keys.sent(clientId))
    for (const [place, how] of Object.entries(sent)) flight.sent.set(sentIdentifier(how), place)
  }

  const dequeue = async (place: string): Promise<void> => {
    const message = keys.message(numberAt(place))
    await redis.eval(DEQUEUE, 3, keys.queue(clientId), keys.sent(clientId), message, place)
    flight.taken.delete(place) // not before: what is being read meanwhile may still have it
  }

  const mark = async (...sent: readonly string[]): Promise<void> => {
    if (sent.length > 0) await redis.eval(MARK, 2, keys.sent(clientId), keys.queue(clientId), ...sent)
  }

  const acknowledge = async (packetId: number): Promise<void> => {
    const place = flight.sent.get(packetId)
    if (place === undefined) return
    flight.sent.delete(packetId)
    await dequeue(place)
  }

  return {
    // One of QoS 0 is in no queue.
    holds: ({ brokerId }, granted) => granted > 0 && brokerId !== undefined,
    async take(count, identifiers) {
      beginning ??= begin()
      await beginning
      const outgoing: Outgoing[] = []
      for (;;) {
        const missing = count - outgoing.length
        const places = await redis.lrange(keys.queue(clientId), 0, flight.taken.size + missing - 1)
        // Some of what was taken may have left the queue by now, so that more was read than is to be sent.
        const fresh = places.filter((place) => !flight.taken.has(place)).slice(0, missing)
        if (fresh.length === 0) return outgoing
        outgoing.push(...(await send(fresh, identifiers)))
        if (outgoing.length >= count) return outgoing
      }
    },
    discard: acknowledge,
    reserves: (packetId) => flight.sent.has(packetId),
    async release(packetId) {
      const place = flight.sent.get(packetId)
      if (place !== undefined) await mark(place, `${packetId}${RELEASED}`)
    },
  }

  /** Reads messages, and records with which identifiers they are sent. Those that are forgotten are left out. */
  async function send(
    fresh: readonly string[],
    identifiers: PacketIdentifiers,
  ): Promise<readonly Outgoing[]> {
    const [messages, sent] = await Promise.all([
      Promise.all(fresh.map((place) => redis.hgetallBuffer(keys.message(numberAt(place))))),
      redis.hmget(keys.sent(clientId), ...fresh),
    ])
    const marks: string[] = []
    const outgoing: Outgoing[] = []
    for (const [index, place] of fresh.entries()) {
      flight.taken.add(place)
      const before = sent[index] ?? undefined
      const packet = toOutgoing(place, messages[index] ?? {}, before, identifiers)
      if (packet === undefined) await dequeue(place)
      else {
        flight.sent.set(packet.packetIdentifier, place)
        if (before === undefined) marks.push(place, `${packet.packetIdentifier}`)
        outgoing.push(packet)
      }
    }
    await mark(...marks)
    return outgoing
  }
}

/** How a message with this number stands in a queue whose client is sent it at a QoS. */
export function placeOf(number: string, qos: 1 | 2): string {
  return `${qos}${number}`
}

function numberAt(place: string): string {
  return place.slice(1)
}

/** The packet identifier in what Redis has of a message that was sent. */
function sentIdentifier(sent: string): number {
  return Number.parseInt(sent, 10)
}

/** A message of a queue to be sent; `undefined` for one that is forgotten. */
function toOutgoing(
  place: string,
  { topic, payload }: Readonly<Record<string, Buffer>>,
  sent: string | undefined,
  identifiers: PacketIdentifiers,
): Outgoing | undefined {
  const isReleased = sent?.endsWith(RELEASED) === true
  if (!isReleased && (topic === undefined || payload === undefined)) return undefined
  const before = sent === undefined ? undefined : sentIdentifier(sent)
  const isClaimed = before !== undefined && identifiers.claim(before)
  const packetIdentifier = isClaimed ? before : identifiers.take()
  if (packetIdentifier === undefined) throw new Error('more is in flight than there are packet identifiers')
  if (topic === undefined || payload === undefined || isReleased) return { cmd: 'pubrel', packetIdentifier }
  return {
    cmd: 'publish',
    topic: topic.toString(),
    payload,
    qos: place.startsWith('2') ? 2 : 1,
    isRepeated: before !== undefined, // [MQTT-3.3.1-1]
    packetIdentifier,
  }
}
