import type { Redis } from 'ioredis'

/** What a server says of itself: the fields of INFO, and of its settings those that it shows. */
export interface RedisFacts {
  readonly info: ReadonlyMap<string, string>
  /** When it makes snapshots, empty: never; `undefined` where it does not say. */
  readonly save: string | undefined
}

/** What is wrong with a server, and what is only to be known. */
export interface RedisVerdict {
  /** Why it cannot be used, and what to do. */
  readonly fault: string | undefined
  readonly warnings: readonly string[]
}

/** Since 5.0 a script's writes are logged by their effects (Redis manual, "Scripting with Lua"). */
const OLDEST_VERSION = 5

const CHECK_MS = 1000

/** Writes as the scripts of the sessions do. */
const TRY = `return redis.call('set', KEYS[1], '1', 'PX', ARGV[1])`

/** Asks a server that is connected. Commands that it does not allow are a fault. */
export async function inspectRedis(redis: Redis): Promise<RedisVerdict> {
  const info = parseInfo(await redis.info().catch(() => ''))
  const save = await redis.config('GET', 'save').then(toSave, () => undefined)
  const verdict = judgeRedis({ info, save })
  if (verdict.fault !== undefined) return verdict
  try {
    await redis.eval(TRY, 1, 'damselfly:check', CHECK_MS)
    return verdict
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    return { ...verdict, fault: `does not let this user write with scripts: ${reason}` }
  }
}

/** Decides on what a server says. What it does not say is taken for well. */
export function judgeRedis({ info, save }: RedisFacts): RedisVerdict {
  return { fault: findFault(info), warnings: findRisks(info, save) }
}

function findFault(info: RedisFacts['info']): string | undefined {
  const version = info.get('redis_version')
  if (version !== undefined && Number.parseInt(version, 10) < OLDEST_VERSION) {
    return `is version ${version}; ${OLDEST_VERSION}.0 or later is needed`
  }
  if (info.get('redis_mode') === 'sentinel') return 'is a Sentinel; name the Redis that it watches'
  if (info.get('cluster_enabled') === '1') {
    return 'is in cluster mode, which is not supported; name a Redis with cluster-enabled no'
  }
  if (info.get('role') === 'slave') {
    return `is a replica; name its master, ${info.get('master_host')}:${info.get('master_port')}`
  }
  return undefined
}

function findRisks(info: RedisFacts['info'], save: string | undefined): string[] {
  const risks: string[] = []
  const policy = info.get('maxmemory_policy') ?? 'noeviction'
  if (policy !== 'noeviction' && Number(info.get('maxmemory') ?? 0) > 0) {
    risks.push(`evicts sessions when its memory is full; set maxmemory-policy noeviction (it is ${policy})`)
  }
  if (info.get('aof_enabled') === '0') {
    const what = save === '' ? 'all sessions' : 'what came since its last snapshot'
    risks.push(`loses ${what} when it restarts; set appendonly yes`)
  }
  return risks
}

/** Reads the answer to INFO: lines of `name:value`. */
export function parseInfo(text: string): ReadonlyMap<string, string> {
  const fields = text.split('\r\n').flatMap((line): [string, string][] => {
    const at = line.indexOf(':')
    return at === -1 ? [] : [[line.slice(0, at), line.slice(at + 1)]]
  })
  return new Map(fields)
}

function toSave(answer: unknown): string | undefined {
  const value: unknown = Array.isArray(answer) ? answer[1] : undefined
  return typeof value === 'string' ? value : undefined
}
