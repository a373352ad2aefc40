import { randomUUID } from 'node:crypto'
import type { Redis } from 'ioredis'
import type { SharedClientIds } from '../sessions.js'

/** What an instance holds is free again so long after the instance has died. */
const HELD_FOR_MS = 60_000

/** Three times as often as it must be, since Redis may be away for a while. */
const RENEW_EVERY_MS = 20_000

/** Lets go of a key that still has this value, and of no other (Redis manual, SET, "Patterns"). */
const RELEASE = `if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0`

/** Keeps a key, and makes one that has run out, but takes nothing from an instance that has taken over. */
const RENEW = `local value = redis.call('get', KEYS[1])
if not value or value == ARGV[1] then redis.call('set', KEYS[1], ARGV[1], 'PX', ARGV[2]) end`

/**
 * The client ids that the instances hold, each as a key whose value names instance and owner. While Redis is
 * away a claim waits for it.
 */
export function createRedisClientIds(redis: Redis): SharedClientIds & { stop(): void } {
  const instance = randomUUID()
  const held = new Map<string, string>()
  const keyOf = (clientId: string): string => `damselfly:client-id:${clientId}`

  const renew = (): void => {
    const pipeline = redis.pipeline()
    for (const [clientId, value] of held) pipeline.eval(RENEW, 1, keyOf(clientId), value, HELD_FOR_MS)
    pipeline.exec().catch(() => undefined) // the next one comes, and errors of the connection are in the log
  }
  const timer = setInterval(renew, RENEW_EVERY_MS)

  return {
    async claim(clientId, owner) {
      const key = keyOf(clientId)
      const value = `${instance} ${owner}`
      const isFree = (await redis.set(key, value, 'PX', HELD_FOR_MS, 'NX')) === 'OK'
      if (!isFree) {
        const holder = await redis.get(key)
        if (holder !== null && holder.slice(instance.length + 1) !== owner) return false
        await redis.set(key, value, 'PX', HELD_FOR_MS)
      }
      held.set(clientId, value)
      return true
    },
    release(clientId) {
      const value = held.get(clientId)
      if (value === undefined) return
      held.delete(clientId)
      redis.eval(RELEASE, 1, keyOf(clientId), value).catch(() => undefined) // it ends by itself
    },
    stop: () => clearInterval(timer),
  }
}
