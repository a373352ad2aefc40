import type { Redis } from 'ioredis'
import type { Logger } from '../../log/logger.js'
import type { Tally } from '../../metrics/tally.js'
import { keys } from './redis-keys.js'

/** Ends sessions. */
export interface RedisExpiry {
  /** Ends the session of a client that begins anew [MQTT-3.1.2-6]. */
  end(clientId: string): Promise<void>
  stop(): void
}

/** What it works on. */
export interface RedisExpiryOptions {
  readonly redis: Redis
  readonly expirySeconds: number
  /** For how long this instance has known all that there is, in ms. */
  readonly knownForMs: () => number
  readonly tally: Pick<Tally, 'sessionsExpired'>
  readonly log: Logger
}

/**
 * Ends a session with all that it has, and tells the instances, in one step: so a client that comes back finds
 * either all of it or nothing. One whose client is connected, or was since ARGV[2], stays. The other instances are
 * told as aedes-persistence-redis and mqemitter-redis tell each other of an UNSUBSCRIBE; the first 16 bytes are of
 * no instance.
 */
const END = `if ARGV[2] ~= '' then
  if redis.call('exists', KEYS[1]) == 1 then return 0 end
  local last = redis.call('zscore', KEYS[2], ARGV[1])
  if not last or tonumber(last) > tonumber(ARGV[2]) then return 0 end
end
local filters = redis.call('hkeys', KEYS[4])
for _, place in ipairs(redis.call('lrange', KEYS[5], 0, -1)) do
  local message = ARGV[3] .. string.sub(place, 2)
  if redis.call('hincrby', message, 'waiting', -1) < 1 then redis.call('del', message) end
end
redis.call('del', KEYS[4], KEYS[5], KEYS[6], KEYS[7])
redis.call('srem', KEYS[3], ARGV[1])
redis.call('zrem', KEYS[2], ARGV[1])
if #filters > 0 then
  local gone = {}
  for i, filter in ipairs(filters) do gone[i] = { topic = filter } end
  local payload = cjson.encode({ clientId = ARGV[1], subs = gone })
  local told = { cmd = 'publish', topic = '$SYS/sub/rm', payload = payload, qos = 0, retain = false, dup = false }
  local packed = cmsgpack.pack({ id = ARGV[4], msg = told })
  redis.call('publish', told.topic, string.rep('\\0', 16) .. packed)
end
return 1`

/** How late a session may end. */
const CHECK_MS = 60_000

/** By then every instance has said, after Redis was away, which clients it has. */
const SETTLED_MS = 5000

const AT_ONCE = 100

/** Every instance ends old sessions, each of them once. */
export function createRedisExpiry({
  redis,
  expirySeconds,
  knownForMs,
  tally,
  log,
}: RedisExpiryOptions): RedisExpiry {
  let ended = 0
  const end = async (clientId: string, ifAwaySinceMs: number | ''): Promise<boolean> => {
    ended += 1
    const touched = [
      ...[keys.clientId(clientId), keys.sessions, keys.clients, keys.subscriptions(clientId)],
      ...[keys.queue(clientId), keys.sent(clientId), keys.incoming(clientId)],
    ]
    const token = `${Date.now()} ${Math.random()} ${ended}`
    return (
      (await redis.eval(
        END,
        touched.length,
        ...touched,
        clientId,
        ifAwaySinceMs,
        keys.message(''),
        token,
      )) === 1
    )
  }
  const endOld = async (): Promise<void> => {
    if (knownForMs() < SETTLED_MS) return
    const beforeMs = Date.now() - expirySeconds * 1000
    let sessions = 0
    let kept = 0 // by those who are connected
    for (;;) {
      const old = await redis.zrangebyscore(keys.sessions, 0, beforeMs, 'LIMIT', kept, AT_ONCE)
      if (old.length === 0) break
      const results = await Promise.all(old.map((clientId) => end(clientId, beforeMs)))
      const count = results.filter((isEnded) => isEnded).length
      sessions += count
      kept += old.length - count
    }
    tally.sessionsExpired += sessions
    if (sessions > 0) log.info({ sessions }, 'sessions whose clients stayed away have ended')
  }
  const checkEveryMs = Math.min(CHECK_MS, Math.max(1, expirySeconds) * 1000)
  let isChecking = false
  const timer = setInterval(() => {
    if (isChecking) return
    isChecking = true
    endOld()
      .catch((error: unknown) => log.error({ error: String(error) }, 'old sessions could not be ended'))
      .finally(() => {
        isChecking = false
      })
  }, checkEveryMs)

  return {
    async end(clientId) {
      await end(clientId, '')
    },
    stop: () => clearInterval(timer),
  }
}
