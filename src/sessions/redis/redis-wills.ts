import { randomUUID } from 'node:crypto'
import type { Redis } from 'ioredis'
import type { Logger } from '../../log/logger.js'
import type { SharedWill } from '../sessions.js'
import { keys } from './redis-keys.js'

/** The wills of the clients of all instances. */
export interface RedisWills {
  /** Keeps the will of a client that connects; `undefined`: one that it may not publish. */
  put(clientId: string, will: SharedWill | undefined): Promise<void>
  /** Forgets the will of the client's oldest connection here, which has ended. */
  end(clientId: string): Promise<void>
  /** Has those of instances that have died published here; calls back when one is. */
  watch(publish: (will: SharedWill, published: () => void) => void): void
  /** Calls back when another instance has died, and what it left has been taken over here. */
  watchInstances(died: () => void): void
  /** How many instances run that have wills. */
  countInstances(): Promise<number>
  /** Says that this instance runs. */
  renew(): Promise<void>
  /** Leaves what it still has to the others. */
  stop(): Promise<void>
}

/** An instance that has not been heard of for so long has died: its wills are out 12 s after that at the latest. */
const ALIVE_FOR_MS = 9000
const RENEW_EVERY_MS = 2500

/** By then every instance has said, after Redis was away, that it runs. */
const SETTLED_MS = 5000

/** Moves the wills of an instance that has died to another, once, and returns them with their new names. */
const TAKE_OVER = `if redis.call('exists', KEYS[1]) == 1 then return {} end
local wills = redis.call('hgetall', KEYS[2])
for i = 1, #wills, 2 do
  wills[i] = ARGV[1] .. ' ' .. wills[i]
  redis.call('hset', KEYS[3], wills[i], wills[i + 1])
end
redis.call('del', KEYS[2])
redis.call('srem', KEYS[4], ARGV[1])
if #wills > 0 then redis.call('sadd', KEYS[4], ARGV[2]) end
return wills`

/**
 * A connection that takes over puts its will before the one before has ended and deleted its own; so each has a
 * name of its own. A will that was taken over is deleted when it is published: where the second instance dies as
 * well, a third publishes it.
 */
export function createRedisWills(
  redis: Redis,
  knownForMs: () => number,
  log: Pick<Logger, 'error'>,
): RedisWills {
  const instance = randomUUID()
  const own = keys.wills(instance)
  const names = new Map<string, (string | undefined)[]>()
  let publish: Parameters<RedisWills['watch']>[0] | undefined
  let last = 0
  let died: (() => void) | undefined

  const renew = async (): Promise<void> => {
    await redis.set(keys.alive(instance), '1', 'PX', ALIVE_FOR_MS)
  }
  const forget = (name: string): void => {
    redis.hdel(own, name).catch(() => undefined) // at the worst it is published once more
  }
  const takeOver = async (dead: string): Promise<void> => {
    const places = [keys.alive(dead), keys.wills(dead), own, keys.instances]
    const taken: unknown = await redis.eval(TAKE_OVER, places.length, ...places, dead, instance)
    if (!Array.isArray(taken)) return
    for (let at = 0; at + 1 < taken.length; at += 2) {
      const name = String(taken[at])
      const will = parseWill(String(taken[at + 1]))
      if (will === undefined) forget(name)
      else publish?.(will, () => forget(name))
    }
    if (taken.length > 0) died?.()
  }
  const look = async (): Promise<void> => {
    await renew()
    if (publish === undefined || knownForMs() < SETTLED_MS) return
    for (const other of await redis.smembers(keys.instances)) if (other !== instance) await takeOver(other)
  }
  const timer = setInterval(() => {
    if (redis.status !== 'ready') return
    look().catch((error: unknown) => log.error({ error: String(error) }, 'wills cannot be looked after'))
  }, RENEW_EVERY_MS)

  return {
    async put(clientId, will) {
      last += 1
      const name = will === undefined ? undefined : String(last)
      names.set(clientId, [...(names.get(clientId) ?? []), name])
      if (will === undefined || name === undefined) return
      await Promise.all([redis.sadd(keys.instances, instance), redis.hset(own, name, renderWill(will))])
    },
    async end(clientId) {
      const ofClient = names.get(clientId)
      const name = ofClient?.shift()
      if (ofClient?.length === 0) names.delete(clientId)
      if (name !== undefined) await redis.hdel(own, name)
    },
    watch(listener) {
      publish = listener
    },
    watchInstances(listener) {
      died = listener
    },
    async countInstances() {
      const instances = await redis.smembers(keys.instances)
      return instances.length === 0 ? 0 : await redis.exists(...instances.map(keys.alive))
    },
    renew,
    async stop() {
      clearInterval(timer)
      if (redis.status === 'ready') await redis.del(keys.alive(instance)).catch(() => undefined)
    },
  }
}

function renderWill({ topic, payload, qos, retain }: SharedWill): string {
  return JSON.stringify({ topic, payload: payload.toString('base64'), qos, retain })
}

function parseWill(text: string): SharedWill | undefined {
  const will: unknown = JSON.parse(text)
  if (typeof will !== 'object' || will === null) return undefined
  if (!('topic' in will && 'payload' in will && 'qos' in will && 'retain' in will)) return undefined
  const { topic, payload, qos, retain } = will
  if (typeof topic !== 'string' || typeof payload !== 'string') return undefined
  const level = qos === 2 ? 2 : qos === 1 ? 1 : 0
  return { topic, payload: Buffer.from(payload, 'base64'), qos: level, retain: retain === true }
}
