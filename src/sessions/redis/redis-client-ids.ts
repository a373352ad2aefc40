import { randomUUID } from 'node:crypto'
import type { Redis } from 'ioredis'
import type { AttachedClient, SharedClientIds } from '../sessions.js'
import { keys } from './redis-keys.js'

/** The client ids that this instance holds, and its sessions' times. */
export interface RedisClientIds extends SharedClientIds {
  /** A client is logged in. */
  attach(client: AttachedClient): void
  /** Its session, which is not a clean one, begins or goes on; `true`: it was there. */
  begin(clientId: string): Promise<boolean>
  /** Its connection has ended. */
  detach(client: AttachedClient): void
  /** Those whose sessions are not clean ones. */
  attached(): readonly AttachedClient[]
  /** Says again what this instance holds. */
  renew(): Promise<void>
  stop(): void
}

/** What an instance holds is free again so long after the instance has died. */
const HELD_FOR_MS = 60_000

/** Three times as often as it must be, since Redis may be away for a while. */
const RENEW_EVERY_MS = 20_000

/** Lets go of a key that still has this value, and of no other (Redis manual, SET, "Patterns"). */
const RELEASE = `if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0`

/** Keeps a key, and makes one that has run out, but takes nothing from an instance that has taken over. */
const RENEW = `local value = redis.call('get', KEYS[1])
if not value or value == ARGV[1] then redis.call('set', KEYS[1], ARGV[1], 'PX', ARGV[2]) end`

/** Says whether a session was there, also when it is sent again: a time by which it was seen is of this login alone. */
const BEGIN = `local last = redis.call('zscore', KEYS[1], ARGV[2])
redis.call('zadd', KEYS[1], ARGV[1], ARGV[2])
if last and tonumber(last) ~= tonumber(ARGV[1]) then return 1 end return 0`

/**
 * The client ids that the instances hold, each as a key whose value names instance and owner; and when the client
 * of each session was last connected. While Redis is away nobody logs in: a login that waited for it would wait
 * in memory, and its client would make the next.
 */
export function createRedisClientIds(redis: Redis): RedisClientIds {
  const instance = randomUUID()
  const held = new Map<string, string>()
  const attached = new Map<string, AttachedClient>()

  const seen = (clientIds: readonly string[]): Promise<unknown> =>
    clientIds.length === 0
      ? Promise.resolve()
      : redis.zadd(keys.sessions, ...clientIds.flatMap((id) => [Date.now(), id]))
  const renew = async (): Promise<void> => {
    const renewals = [...held].map(([clientId, value]) =>
      redis.eval(RENEW, 1, keys.clientId(clientId), value, HELD_FOR_MS),
    )
    await Promise.all([...renewals, seen([...attached.keys()])])
  }
  const timer = setInterval(() => {
    // What is queued while Redis is away would only add up; it is renewed when Redis is back.
    if (redis.status === 'ready') renew().catch(() => undefined) // the next one comes
  }, RENEW_EVERY_MS)
  const later = (change: Promise<unknown>): void => void change.catch(() => undefined) // it ends by itself

  return {
    async claim(clientId, owner) {
      if (redis.status !== 'ready') throw new Error('Redis is away')
      const key = keys.clientId(clientId)
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
      later(redis.eval(RELEASE, 1, keys.clientId(clientId), value))
    },
    attach(client) {
      if (!client.clean) attached.set(client.id, client)
    },
    async begin(clientId) {
      const nowMs = Date.now() + Math.random()
      return (await redis.eval(BEGIN, 1, keys.sessions, nowMs, clientId)) === 1
    },
    detach(client) {
      if (attached.get(client.id) !== client) return
      attached.delete(client.id)
      later(seen([client.id]))
    },
    attached: () => [...attached.values()],
    renew,
    stop: () => clearInterval(timer),
  }
}
