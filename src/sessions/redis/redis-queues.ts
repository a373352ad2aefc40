import type { Redis } from 'ioredis'
import type { Tally } from '../../metrics/tally.js'
import type { AttachedClient, DeliveredPacket } from '../sessions.js'
import {
  createFlight,
  type Flight,
  freeIdentifier,
  mayDeliverLive,
  numberOf,
  sentIdentifier,
  toPacket,
  toSent,
} from './redis-flight.js'
import { keys } from './redis-keys.js'
import { deliverMissed } from './redis-missed.js'

/** The queues of sessions in Redis, as Aedes asks for them. */
export interface RedisQueues {
  /** Queues a message, once for each client, and in all queues in one step. */
  enqueue(to: readonly Receiver[], message: QueuedMessage): Promise<void>
  /** What waits for a client, until nothing does: from then on messages reach it live. */
  drain(client: AttachedClient): AsyncGenerator<object>
  /** A message is sent, or a QoS 2 message is received and to be released. */
  update(client: AttachedClient, packet: SentPacket): Promise<void>
  /** Takes the message with this packet identifier from the queue. */
  acknowledge(client: AttachedClient, packetId: number | undefined): Promise<void>
  /** A client is logged in: what waits for it comes before what is live. */
  attach(client: AttachedClient): void
  /** Gives a connection what it has missed. */
  recover(client: AttachedClient): Promise<void>
  /** Whether a message is to reach a connection now; `false`: it has it from the queue. */
  mayDeliver(client: AttachedClient, packet: DeliveredPacket): boolean
  /** Takes a message from the queue whose client may not have it. */
  refuse(client: AttachedClient, packet: DeliveredPacket): Promise<void>
}

/** A subscription that matches a message. */
export interface Receiver {
  readonly clientId: string
  readonly topic: string
}

/** A message with the number that its broker gave it. */
export interface QueuedMessage extends DeliveredPacket {
  readonly topic: string
  readonly payload: Buffer | string
  readonly qos: 0 | 1 | 2
}

/** A packet to a client; its identifier may be changed until it is sent. */
export interface SentPacket extends DeliveredPacket {
  readonly cmd?: string
  messageId?: number | undefined
}

/** What they work on. */
export interface RedisQueuesOptions {
  readonly redis: Redis
  readonly maxQueued: number
  /** Seconds after which a message is forgotten, should its queue be. */
  readonly messageTtlSeconds: number
  readonly tally: Pick<Tally, 'queueDropped'>
}

/**
 * A command whose answer was lost is sent again, and changes nothing then. A queue that is full takes no more; one
 * of a client that is connected has room for all packet identifiers. A session that has ended takes nothing.
 */
const ENQUEUE = `if redis.call('exists', KEYS[1]) == 1 then return 0 end
local waiting, dropped = 0, 0
for i = 2, #KEYS, 3 do
  if redis.call('exists', KEYS[i + 2]) == 1 then
    local limit = tonumber(ARGV[3])
    if redis.call('exists', KEYS[i + 1]) == 1 then limit = 65535 end
    if redis.call('llen', KEYS[i]) < limit then
      redis.call('rpush', KEYS[i], ARGV[1])
      waiting = waiting + 1
    else dropped = dropped + 1 end
  end
end
if waiting > 0 then
  redis.call('hset', KEYS[1], 'topic', ARGV[4], 'payload', ARGV[5], 'qos', ARGV[6], 'waiting', waiting)
  redis.call('expire', KEYS[1], ARGV[2])
end
return dropped`

/** Where nothing waits any more, the session has ended. */
const MARK = `if redis.call('exists', KEYS[2]) == 1 then redis.call('hset', KEYS[1], ARGV[1], ARGV[2]) end`

const DEQUEUE = `redis.call('hdel', KEYS[2], ARGV[1])
if redis.call('lrem', KEYS[1], 1, ARGV[1]) == 1 and redis.call('hincrby', KEYS[3], 'waiting', -1) < 1 then
  redis.call('del', KEYS[3])
end`

/** Messages of up to a megabyte are read at once. */
const READ_AT_ONCE = 50

/** Queues of which Redis has the messages and their order, and this process what each connection was sent. */
export function createRedisQueues({
  redis,
  maxQueued,
  messageTtlSeconds,
  tally,
}: RedisQueuesOptions): RedisQueues {
  const flights = new WeakMap<AttachedClient, Flight>()

  const dequeue = async (clientId: string, number: string): Promise<void> => {
    await redis.eval(DEQUEUE, 3, keys.queue(clientId), keys.sent(clientId), keys.message(number), number)
  }

  /** Numbers that wait and have not been given to the connection, with the identifiers they were sent with before. */
  const waiting = async ({ id }: AttachedClient, flight: Flight): Promise<[string, string | undefined][]> => {
    const numbers = await redis.lrange(keys.queue(id), 0, -1)
    if (!numbers.some((number) => !flight.taken.has(number))) return []
    const sent = await redis.hgetall(keys.sent(id))
    for (const [number, how] of Object.entries(sent)) flight.numbers.set(sentIdentifier(how), number)
    return numbers.filter((number) => !flight.taken.has(number)).map((number) => [number, sent[number]])
  }

  async function* read(
    { id }: AttachedClient,
    flight: Flight,
    found: readonly (readonly [number: string, sent: string | undefined])[],
  ): AsyncGenerator<object> {
    for (let at = 0; at < found.length; at += READ_AT_ONCE) {
      const some = found.slice(at, at + READ_AT_ONCE)
      const messages = await Promise.all(some.map(([number]) => redis.hgetallBuffer(keys.message(number))))
      for (const [index, [number, sent]] of some.entries()) {
        flight.taken.add(number)
        const packet = toPacket(number, messages[index] ?? {}, sent)
        if (packet === undefined) await dequeue(id, number)
        else yield packet
      }
    }
  }

  async function* drain(client: AttachedClient): AsyncGenerator<object> {
    const flight = flights.get(client)
    if (flight === undefined) return
    for (;;) {
      flight.early.clear()
      const found = await waiting(client, flight)
      if (found.length === 0) break
      yield* read(client, flight, found)
    }
    flight.liveSinceMs = performance.now()
    if (flight.early.size === 0) return
    // Another instance's message may have come before the answer that did not have it yet.
    const found = await waiting(client, flight)
    yield* read(
      client,
      flight,
      found.filter(([number]) => flight.early.has(number)),
    )
    flight.early.clear()
  }

  return {
    async enqueue(to, message) {
      const number = numberOf(message)
      const isHidden = ({ topic }: Receiver): boolean => message.topic.startsWith('$') && /^[+#]/.test(topic)
      const clientIds = new Set(to.filter((one) => !isHidden(one)).map(({ clientId }) => clientId))
      if (number === undefined || clientIds.size === 0) return
      const touched = [...clientIds].flatMap((id) => [
        keys.queue(id),
        keys.clientId(id),
        keys.subscriptions(id),
      ])
      const { topic, payload, qos } = message
      const dropped = await redis.eval(
        ENQUEUE,
        touched.length + 1,
        keys.message(number),
        ...touched,
        ...[number, messageTtlSeconds, maxQueued, topic, payload, qos],
      )
      tally.queueDropped += Number(dropped)
    },
    drain,
    async recover(client) {
      const flight = flights.get(client)
      if (flight !== undefined) await deliverMissed(client, flight, () => drain(client))
    },
    async update(client, packet) {
      const flight = flights.get(client)
      if (flight === undefined) return
      const isRelease = packet.cmd === 'pubrel'
      const known = packet.messageId === undefined ? undefined : flight.numbers.get(packet.messageId)
      const number = isRelease ? (known ?? numberOf(packet)) : numberOf(packet)
      if (number === undefined || packet.messageId === undefined) return
      if (!isRelease) packet.messageId = freeIdentifier(flight, packet.messageId, number)
      flight.numbers.set(packet.messageId, number)
      const sent = toSent(packet.messageId, isRelease)
      await redis.eval(MARK, 2, keys.sent(client.id), keys.queue(client.id), number, sent)
    },
    async acknowledge(client, packetId) {
      const flight = flights.get(client)
      const number = packetId === undefined ? undefined : flight?.numbers.get(packetId)
      if (packetId === undefined || number === undefined) return
      flight?.numbers.delete(packetId)
      await dequeue(client.id, number)
    },
    attach(client) {
      if (!client.clean) flights.set(client, createFlight())
    },
    mayDeliver(client, packet) {
      const flight = flights.get(client)
      const number = numberOf(packet)
      // What has an identifier is from the queue; what has no number, or QoS 0, was never in it.
      const isLiveOnly = packet.messageId !== undefined || number === undefined || packet.qos === 0
      return flight === undefined || isLiveOnly || flight.passing === packet || mayDeliverLive(flight, number)
    },
    async refuse(client, packet) {
      const number = numberOf(packet)
      const isLive = flights.get(client)?.liveSinceMs !== undefined
      if (isLive && number !== undefined && packet.qos !== 0 && packet.messageId === undefined) {
        await dequeue(client.id, number)
      }
    },
  }
}
