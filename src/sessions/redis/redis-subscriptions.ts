import type { Redis } from 'ioredis'
import { keys } from './redis-keys.js'

/** What the instances tell each other of subscriptions, and what is made of it here. */
export interface RedisSubscriptions {
  /** Makes one change of a client's subscriptions after the other. */
  change<T>(clientId: string, make: () => Promise<T>): Promise<T>
  /** Reads all of them from Redis, and has the broker know what it was not told. */
  reload(): Promise<void>
  /** How many subscriptions all others than these clients have. */
  countBut(clientIds: ReadonlySet<string>): number
}

/** A subscription as it is stored. */
interface Subscription {
  readonly topic: string
  readonly qos: 0 | 1 | 2
}

/** What they are read from, and told by. */
export interface RedisSubscriptionsOptions {
  readonly redis: Redis
  readonly emitter: {
    on(
      topic: string,
      listener: (
        message: { readonly topic: string; readonly payload: Buffer | string },
        done: () => void,
      ) => void,
    ): unknown
    emitHere(message: { readonly topic: string; readonly payload: string }): void
  }
  readonly read: (clientId: string) => Promise<readonly Subscription[]>
}

/** The topics on which instances that use aedes-persistence tell each other of subscriptions. */
const ADDED = '$SYS/sub/add'
const REMOVED = '$SYS/sub/rm'
const ALL = '$SYS/sub/+'

/** Sessions that are read at once. */
const READ_AT_ONCE = 500

/**
 * aedes-persistence knows a change by its client and first filter until it is told that it is made, so that the
 * first of two such changes at the same time would never end; and what it is not told, while its connection is
 * interrupted, it does not find out.
 */
export function createRedisSubscriptions({
  redis,
  emitter,
  read,
}: RedisSubscriptionsOptions): RedisSubscriptions {
  const known = new Map<string, Set<string>>()
  const changing = new Map<string, Promise<unknown>>()
  const listening = new Set<Set<string>>()

  emitter.on(ALL, ({ topic, payload }, done) => {
    const { clientId, filters } = parseChange(payload)
    for (const toldOf of listening) toldOf.add(clientId)
    const own = known.get(clientId) ?? new Set()
    for (const filter of filters) topic === ADDED ? own.add(filter) : own.delete(filter)
    if (own.size === 0) known.delete(clientId)
    else known.set(clientId, own)
    done()
  })

  const correct = (clientId: string, subscriptions: readonly Subscription[]): void => {
    const now = new Set(subscriptions.map(({ topic }) => topic))
    const gone = [...(known.get(clientId) ?? [])].filter((filter) => !now.has(filter))
    const tell = (topic: string, subs: readonly object[]): void => {
      if (subs.length > 0) emitter.emitHere({ topic, payload: JSON.stringify({ clientId, subs }) })
    }
    tell(
      REMOVED,
      gone.map((filter) => ({ topic: filter })),
    )
    tell(ADDED, subscriptions)
  }

  return {
    async change(clientId, make) {
      const before = changing.get(clientId) ?? Promise.resolve()
      const made = before.then(make, make)
      changing.set(clientId, made)
      try {
        return await made
      } finally {
        if (changing.get(clientId) === made) changing.delete(clientId)
      }
    },
    async reload() {
      let clientIds = [...new Set([...known.keys(), ...(await redis.smembers(keys.clients))])]
      while (clientIds.length > 0) {
        const toldOf = new Set<string>()
        listening.add(toldOf)
        const newer: string[] = []
        for (let at = 0; at < clientIds.length; at += READ_AT_ONCE) {
          const some = clientIds.slice(at, at + READ_AT_ONCE)
          const found = await Promise.all(some.map((id) => read(id)))
          for (const [index, id] of some.entries()) {
            // What was told meanwhile may be newer than what was read.
            if (toldOf.has(id)) newer.push(id)
            else correct(id, found[index] ?? [])
          }
        }
        listening.delete(toldOf)
        clientIds = newer
      }
    },
    countBut(clientIds) {
      let count = 0
      for (const [clientId, filters] of known) if (!clientIds.has(clientId)) count += filters.size
      return count
    },
  }
}

function parseChange(payload: Buffer | string): { clientId: string; filters: string[] } {
  const change: unknown = JSON.parse(payload.toString())
  if (typeof change !== 'object' || change === null || !('clientId' in change && 'subs' in change)) {
    return { clientId: '', filters: [] }
  }
  const { clientId, subs } = change
  const filters = (Array.isArray(subs) ? subs : []).flatMap((one: unknown) =>
    typeof one === 'object' && one !== null && 'topic' in one ? [String(one.topic)] : [],
  )
  return { clientId: String(clientId), filters }
}
