import type { EventEmitter } from 'node:events'
import type { Logger } from '../../log/logger.js'
import type { Tally } from '../../metrics/tally.js'
import type { SessionLimits } from '../session-limits.js'
import type { AttachedClient, Sessions } from '../sessions.js'
import { connectRedis, type RedisConnections } from './connect-redis.js'
import { type CatchUp, createCatchUp } from './redis-catch-up.js'
import { createRedisClientIds } from './redis-client-ids.js'
import { SharedEmitter } from './redis-emitter.js'
import { createRedisExpiry } from './redis-expiry.js'
import { keys } from './redis-keys.js'
import { SharedPersistence } from './redis-persistence.js'
import { createRedisQueues } from './redis-queues.js'
import { createRedisRetained } from './redis-retained.js'
import { createRedisSubscriptions } from './redis-subscriptions.js'
import { createRedisWills } from './redis-wills.js'

/** Where sessions are, and their bounds. */
export interface RedisSessionsOptions {
  readonly url: string
  readonly limits: SessionLimits
  readonly tally: Tally
  readonly log: Logger
  /** Ends the wait for Redis. */
  readonly signal: AbortSignal
}

/** A message of a session that has ended is deleted with it; this is for those that a crash leaves behind. */
const TTL_BEYOND_EXPIRY_S = 86_400

/** Stands for the instance where client ids do; none of a client's is empty. */
const THIS_INSTANCE = ''

/** What is still to be written when the server stops, such as acknowledgements, takes a round trip. */
const CLOSE_WITHIN_MS = 1000

/**
 * Sessions, retained messages and the traffic between instances in Redis. Waits until Redis answers.
 *
 * @throws ConfigError, see `connectRedis`.
 */
export async function openRedisSessions(options: RedisSessionsOptions): Promise<Sessions> {
  const { url, limits, log, signal } = options
  const connections = await connectRedis(url, log, signal)
  const redis = connections.store
  const emitter = new SharedEmitter(connections)
  listenToErrors(emitter)
  const rights = new WeakMap<AttachedClient, (topic: string) => boolean>()
  const catchUp: CatchUp = createCatchUp(
    connections,
    async () => {
      await Promise.all([clientIds.renew(), wills.renew(), emitter.resume()])
      await subscriptions.reload()
      for (const client of clientIds.attached()) queues.wake(client)
    },
    log,
  )
  const clientIds = createRedisClientIds(redis)
  const wills = createRedisWills(redis, catchUp.forMs, log)
  const expiry = createRedisExpiry({
    redis,
    expirySeconds: limits.expirySeconds,
    knownForMs: catchUp.forMs,
    tally: options.tally,
    log,
  })
  const subscriptions = createRedisSubscriptions({
    redis,
    emitter,
    read: (id) => persistence.storedSubscriptions({ id }),
  })
  const queues = createRedisQueues({
    redis,
    limits,
    messageTtlSeconds: limits.expirySeconds + TTL_BEYOND_EXPIRY_S,
    tally: options.tally,
  })
  const persistence = new SharedPersistence({
    redis,
    subscriptions,
    queues,
    wills,
    retained: createRedisRetained({
      redis,
      maxMessages: limits.maxRetained,
      maxBytes: limits.maxRetainedBytes,
      tally: options.tally,
      log,
    }),
    beginSession: clientIds.begin,
    endSession: expiry.end,
    caughtUp: catchUp.caughtUp,
    hasLeft: () => emitter.hasLeft,
    start: catchUp.start,
    mayPublish: (client, topic) => rights.get(client)?.(topic) ?? false,
  })

  return {
    persistence,
    emitter,
    clientIds,
    shared: {
      attach(client, mayPublish) {
        rights.set(client, mayPublish)
        clientIds.attach(client)
      },
      detach: clientIds.detach,
      watchWills: wills.watch,
      async setLastWord(will) {
        await wills.renew() // it is counted from now on
        await (will === undefined ? wills.end(THIS_INSTANCE) : wills.put(THIS_INSTANCE, will))
      },
      watchInstances: wills.watchInstances,
      countInstances: wills.countInstances,
      emitHere: (message) => emitter.emitHere(message),
    },
    backlog: queues.backlog,
    figures: async () => {
      const here = new Set(clientIds.attached().map(({ id }) => id))
      const [sessions, messages, bytes] = await Promise.all([
        redis.zcard(keys.sessions),
        redis.hlen(keys.retained),
        redis.get(keys.retainedBytes),
      ])
      return {
        away: Math.max(0, sessions - here.size),
        subscriptionsAway: subscriptions.countBut(here),
        retained: { messages, payloadBytes: Number(bytes ?? 0) },
        queued: undefined,
      }
    },
    isReady: () => catchUp.isCaughtUp,
    isReceived: (clientId, messageId) =>
      persistence.incomingGetPacket({ id: clientId }, { messageId }).then(
        () => true,
        () => false,
      ),
    async unsubscribe(clientId, filters) {
      await persistence.removeSubscriptions({ id: clientId }, filters)
    },
    async close() {
      catchUp.stop()
      clientIds.stop()
      expiry.stop()
      await wills.stop()
      await disconnect(connections)
    },
  }
}

/** It repeats its connections' errors, which are in the log, and would end the process if nobody listened. */
function listenToErrors({ state }: { readonly state: EventEmitter }): void {
  state.on('error', () => undefined)
}

/** What was asked for is done first, where Redis is there. */
async function disconnect({ store, all }: RedisConnections): Promise<void> {
  if (store.status === 'ready') {
    const tooLate = setTimeout(() => store.disconnect(), CLOSE_WITHIN_MS)
    await store.quit().catch(() => undefined)
    clearTimeout(tooLate)
  }
  for (const connection of all) connection.disconnect()
}
