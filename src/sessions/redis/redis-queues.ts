import type { Redis } from 'ioredis'
import type { Tally } from '../../metrics/tally.js'
import type { SessionLimits } from '../session-limits.js'
import type { AttachedClient, Backlog, Stamped } from '../sessions.js'
import { createRedisBacklog, placeOf, type RedisBacklog } from './redis-backlog.js'
import { keys } from './redis-keys.js'

/** The queues of sessions in Redis. */
export interface RedisQueues {
  /** Queues a message, once for each client, and in all queues in one step. */
  enqueue(to: readonly Receiver[], message: QueuedMessage): Promise<void>
  /** The queue of a connection's client; `wake` is called when there may be more in it than it was told of. */
  backlog(client: AttachedClient, wake: () => void): Backlog
  /** A connection may have missed something. */
  wake(client: AttachedClient): void
  /** A QoS 2 message is received by the client, and is to be released. */
  release(client: AttachedClient, packetId: number): Promise<void>
  /** Takes the message with this packet identifier from the queue. */
  acknowledge(client: AttachedClient, packetId: number): Promise<void>
}

/** A subscription that matches a message. */
export interface Receiver {
  readonly clientId: string
  readonly topic: string
  readonly qos: 0 | 1 | 2
}

/** A message with the number that its broker gave it. */
export interface QueuedMessage extends Stamped {
  readonly topic: string
  readonly payload: Buffer | string
  readonly qos: 0 | 1 | 2
}

/** What they work on. */
export interface RedisQueuesOptions {
  readonly redis: Redis
  readonly limits: Pick<SessionLimits, 'maxQueued' | 'maxInflight'>
  /** Seconds after which a message is forgotten, should its queue be. */
  readonly messageTtlSeconds: number
  readonly tally: Pick<Tally, 'queueDropped'>
}

/**
 * A command whose answer was lost is sent again, and changes nothing then. A queue that is full takes no more; one
 * of a client that is connected has room beside for what is on its way. A session that has ended takes nothing.
 */
const ENQUEUE = `if redis.call('exists', KEYS[1]) == 1 then return 0 end
local waiting, dropped = 0, 0
for i = 2, #KEYS, 3 do
  if redis.call('exists', KEYS[i + 2]) == 1 then
    local limit = tonumber(ARGV[2])
    if redis.call('exists', KEYS[i + 1]) == 1 then limit = limit + tonumber(ARGV[3]) end
    if redis.call('llen', KEYS[i]) < limit then
      redis.call('rpush', KEYS[i], ARGV[6 + (i - 2) / 3])
      waiting = waiting + 1
    else dropped = dropped + 1 end
  end
end
if waiting > 0 then
  redis.call('hset', KEYS[1], 'topic', ARGV[4], 'payload', ARGV[5], 'waiting', waiting)
  redis.call('expire', KEYS[1], ARGV[1])
end
return dropped`

/** Queues of which Redis has the messages and their order, and this process what each connection was given. */
export function createRedisQueues(options: RedisQueuesOptions): RedisQueues {
  const { redis, limits, messageTtlSeconds, tally } = options
  const backlogs = new WeakMap<
    AttachedClient,
    { readonly backlog: RedisBacklog; readonly wake: () => void }
  >()

  return {
    async enqueue(to, message) {
      const { topic, payload, brokerId, brokerCounter } = message
      const receivers = [...grantedQos(to, message)]
      if (brokerId === undefined || brokerCounter === undefined || receivers.length === 0) return
      const number = `${brokerId}:${brokerCounter}`
      const touched = receivers.flatMap(([id]) => [keys.queue(id), keys.clientId(id), keys.subscriptions(id)])
      const dropped = await redis.eval(
        ENQUEUE,
        touched.length + 1,
        keys.message(number),
        ...touched,
        ...[messageTtlSeconds, limits.maxQueued, limits.maxInflight, topic, payload],
        ...receivers.map(([, qos]) => placeOf(number, qos)),
      )
      tally.queueDropped += Number(dropped)
    },
    backlog(client, wake) {
      const backlog = createRedisBacklog(redis, client.id)
      backlogs.set(client, { backlog, wake })
      return backlog
    },
    wake: (client) => backlogs.get(client)?.wake(),
    async release(client, packetId) {
      await backlogs.get(client)?.backlog.release(packetId)
    },
    async acknowledge(client, packetId) {
      await backlogs.get(client)?.backlog.discard(packetId)
    },
  }
}

/** The clients, each with the highest QoS that it was granted, and none above that of the message [MQTT-3.8.4-6]. */
function grantedQos(to: readonly Receiver[], { topic, qos }: QueuedMessage): ReadonlyMap<string, 1 | 2> {
  const granted = new Map<string, 1 | 2>()
  for (const receiver of to) {
    const isHidden = topic.startsWith('$') && /^[+#]/.test(receiver.topic) // [MQTT-4.7.2-1]
    const lower = Math.min(qos, receiver.qos)
    if (isHidden || lower === 0) continue
    granted.set(receiver.clientId, lower === 2 || granted.get(receiver.clientId) === 2 ? 2 : 1)
  }
  return granted
}
