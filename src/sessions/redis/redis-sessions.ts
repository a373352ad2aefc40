import { EventEmitter } from 'node:events'
import type { Readable } from 'node:stream'
import RedisPersistence from 'aedes-persistence-redis/asyncPersistence.js'
import { Redis } from 'ioredis'
import MQEmitterRedis from 'mqemitter-redis'
import { ConfigError } from '../../config/config-error.js'
import type { Logger } from '../../log/logger.js'
import { createRateLimit } from '../../log/rate-limit.js'
import { streamRetained } from '../retained-stream.js'
import type { Sessions } from '../sessions.js'
import { createRedisClientIds } from './redis-client-ids.js'

/** Without it only the first 1000 queued messages come at each reconnect. */
const MAX_SESSION_DELIVERY = 100_000

/** Queued messages are forgotten after a week; without a limit Redis grows for ever. */
const PACKET_TTL_S = 604_800

const MINUTE_MS = 60_000

/** The package, with what Aedes expects of it otherwise. */
class StreamingRedisPersistence extends RedisPersistence {
  readonly #adding = new WeakMap<readonly object[], Promise<unknown>>()

  /**
   * Aedes stores all filters of a SUBSCRIBE once for each that it grants, at the same time. The package would
   * tell but the last of these that it is done, so that the SUBACK never went.
   */
  override addSubscriptions(
    client: { readonly id: string },
    subscriptions: readonly object[],
  ): Promise<unknown> {
    const adding = this.#adding.get(subscriptions) ?? super.addSubscriptions(client, subscriptions)
    this.#adding.set(subscriptions, adding)
    return adding
  }

  /** Aedes pipes retained messages to their subscriber, and this package returns them as a plain iterable. */
  override createRetainedStreamCombi(patterns: readonly string[]): Readable {
    return streamRetained(patterns, (some) => super.createRetainedStreamCombi(some))
  }
}

/**
 * Sessions, retained messages and the traffic between instances in Redis. Waits until Redis answers.
 *
 * @throws ConfigError CONFIG_VALUE when Redis refuses the login of `url`.
 */
export async function openRedisSessions(url: string, log: Logger, signal: AbortSignal): Promise<Sessions> {
  // With ioredis's default of 20 retries, what is published while Redis is away is acknowledged and lost.
  const connect = (): Redis => new Redis(url, { maxRetriesPerRequest: null })
  const connections = [connect(), connect(), connect()] as const
  const [conn, subConn, pubConn] = connections
  const limit = createRateLimit(MINUTE_MS, 1)
  const refused = new Promise<never>((_resolve, reject) => {
    for (const connection of connections) {
      connection.on('error', (error: Error) => {
        if (/WRONGPASS|NOAUTH|NOPERM/.test(error.message)) {
          reject(
            new ConfigError(
              'CONFIG_VALUE',
              `REDIS_URL (not shown): Redis refuses the login: ${error.message}`,
            ),
          )
        } else if (limit.admit('error') !== undefined) {
          log.error({ error: error.message }, 'Redis cannot be reached; trying again')
        }
      })
    }
  })
  try {
    await Promise.race([
      Promise.all(connections.map((connection) => untilReady(connection, signal))),
      refused,
    ])
  } catch (error) {
    for (const connection of connections) connection.disconnect()
    throw error
  }
  refused.catch(() => undefined) // Later refusals are in the log of those who then fail; nobody waits for this one.

  const emitter = MQEmitterRedis({ subConn, pubConn, concurrency: 0, matchEmptyLevels: true })
  // It repeats its connections' errors there, and would end the process if nobody listened.
  const state: unknown = Reflect.get(emitter, 'state')
  if (state instanceof EventEmitter) state.on('error', () => undefined)
  const persistence = new StreamingRedisPersistence({
    conn,
    maxSessionDelivery: MAX_SESSION_DELIVERY,
    packetTTL: () => PACKET_TTL_S,
  })
  const clientIds = createRedisClientIds(conn)
  return {
    persistence,
    emitter,
    clientIds,
    isReady: () => connections.every(({ status }) => status === 'ready'),
    isReceived: (clientId, messageId) =>
      persistence.incomingGetPacket({ id: clientId }, { messageId }).then(
        () => true,
        () => false,
      ),
    async unsubscribe(clientId, filters) {
      await persistence.removeSubscriptions({ id: clientId }, filters)
    },
    async close() {
      clientIds.stop()
      for (const connection of connections) connection.disconnect()
    },
  }
}

/** Errors meanwhile are each an attempt that failed, and ioredis makes the next one by itself. */
function untilReady(connection: Redis, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted()
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
    if (connection.status === 'ready') resolve()
    else connection.once('ready', () => resolve())
  })
}
