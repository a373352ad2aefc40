import type { Redis } from 'ioredis'
import type { Logger } from '../../log/logger.js'
import type { Tally } from '../../metrics/tally.js'
import { intersectFilters } from '../../mqtt/topic.js'
import { createRetainedRefusal } from '../retained-refusal.js'
import { keys } from './redis-keys.js'

/** Retained messages in Redis. */
export interface RedisRetained {
  /** Keeps a message in the place of the one before; an empty payload ends it. */
  store(message: RetainedMessage): Promise<void>
  /** Those that the filters match, each for every one of them. It never rejects: what fails is in the log. */
  matching(filters: readonly string[]): AsyncGenerator<RetainedMessage & { readonly cmd: 'publish' }>
}

/** A retained message. */
export interface RetainedMessage {
  readonly topic: string
  readonly payload: Buffer | string
  readonly qos: 0 | 1 | 2
}

/** The bounds, and where it is told that they are met. */
export interface RedisRetainedOptions {
  readonly redis: Redis
  readonly maxMessages: number
  readonly maxBytes: number
  readonly tally: Pick<Tally, 'retainedRefused'>
  readonly log: Logger
}

/**
 * Counts topics and values, in one step with the change, so that several instances share one bound; the sum is
 * made anew where it is missing. Returns 0 for a message that is not kept.
 */
const STORE = `local total = redis.call('get', KEYS[2])
if not total then
  total = 0
  for _, topic in ipairs(redis.call('hkeys', KEYS[1])) do
    total = total + #topic + redis.call('hstrlen', KEYS[1], topic)
  end
end
total = tonumber(total)
if redis.call('hexists', KEYS[1], ARGV[1]) == 1 then
  total = total - #ARGV[1] - redis.call('hstrlen', KEYS[1], ARGV[1])
  redis.call('hdel', KEYS[1], ARGV[1])
end
local kept = 1
if ARGV[2] ~= '' then
  local size = #ARGV[1] + #ARGV[2]
  if redis.call('hlen', KEYS[1]) < tonumber(ARGV[3]) and total + size <= tonumber(ARGV[4]) then
    redis.call('hset', KEYS[1], ARGV[1], ARGV[2])
    total = total + size
  else kept = 0 end
end
redis.call('set', KEYS[2], total)
return kept`

/** A hundred round trips for 100,000 messages, each about a millisecond of Redis. */
const SCANNED_AT_ONCE = 1000

const NOTHING = Buffer.alloc(0)

/** Bounds as `createRetainedLimit` has them for those on disk, with one byte more for each message. */
export function createRedisRetained(options: RedisRetainedOptions): RedisRetained {
  const { redis, maxMessages, maxBytes, tally, log } = options
  const refuse = createRetainedRefusal(tally, log)

  async function* find(filters: readonly string[]): ReturnType<RedisRetained['matching']> {
    const wanted = filters.filter((filter) => /[+#]/.test(filter))
    const topics = filters.filter((filter) => !/[+#]/.test(filter))
    for (const topic of topics) {
      const value = await redis.hgetBuffer(keys.retained, topic)
      if (value !== null) yield toMessage(topic, value)
    }
    if (wanted.length === 0) return
    const seen = new Set<string>()
    for await (const [topic, value] of scan(wanted)) {
      // A scan may return one twice (Redis manual, SCAN, "Scan guarantees").
      if (seen.has(topic)) continue
      seen.add(topic)
      for (const filter of wanted) {
        if (intersectFilters(topic, filter) !== undefined) yield toMessage(topic, value)
      }
    }
  }

  async function* scan(filters: readonly string[]): AsyncGenerator<[topic: string, value: Buffer]> {
    const match = `${escapeGlob(commonPrefix(filters))}*`
    let cursor = '0'
    do {
      const [next, found] = await redis.hscanBuffer(
        keys.retained,
        cursor,
        ...(['MATCH', match, 'COUNT', SCANNED_AT_ONCE] as const),
      )
      cursor = next.toString()
      for (let at = 0; at + 1 < found.length; at += 2) yield [String(found[at]), found[at + 1] ?? NOTHING]
    } while (cursor !== '0')
  }

  return {
    async store({ topic, payload, qos }) {
      const bytes = Buffer.from(payload)
      const value = bytes.length === 0 ? '' : Buffer.concat([Buffer.of(qos), bytes])
      const isKept = await redis.eval(
        STORE,
        2,
        keys.retained,
        keys.retainedBytes,
        topic,
        value,
        maxMessages,
        maxBytes,
      )
      if (isKept !== 1) refuse(topic)
    },
    async *matching(filters) {
      try {
        yield* find(filters)
      } catch (error) {
        log.error({ error: String(error) }, 'retained messages could not be read from Redis')
      }
    },
  }
}

function toMessage(topic: string, value: Buffer) {
  const qos = value[0] === 2 ? 2 : value[0] === 1 ? 1 : 0
  return { cmd: 'publish', topic, payload: value.subarray(1), qos } as const
}

/** What every topic that any of the filters matches begins with. */
function commonPrefix(filters: readonly string[]): string {
  const prefixes = filters.map((filter) => filter.slice(0, filter.search(/\/?[+#]/)))
  const [first = '', ...others] = prefixes
  let length = first.length
  for (const other of others) while (!other.startsWith(first.slice(0, length))) length -= 1
  return first.slice(0, length)
}

/** The pattern that matches exactly this text (Redis manual, KEYS). */
export function escapeGlob(text: string): string {
  return text.replace(/[\\*?[\]]/g, '\\$&')
}
