import { join } from 'node:path'
import type { Logger } from '../log/logger.js'
import type { Tally } from '../metrics/tally.js'
import { openState } from '../store/open-state.js'
import { openDiskSessions } from './disk/disk-sessions.js'
import { SESSION_FILE } from './disk/session-file.js'
import type { SessionLimits } from './session-limits.js'
import type { Sessions } from './sessions.js'

/** Where sessions are to be. */
export interface SessionsPlace {
  /** `undefined`: on disk. */
  readonly redisUrl: string | undefined
  /** The folder of the state file. */
  readonly folder: string
}

/** What else sessions need. */
export interface SessionsOptions {
  readonly limits: SessionLimits
  readonly tally: Tally
  readonly log: Logger
  /** Ends the wait for Redis. */
  readonly signal: AbortSignal
}

/**
 * The sessions in Redis, or on disk where there is none.
 *
 * @throws ConfigError, see `openRedisSessions`, or StoreError, see `openDiskSessions`.
 */
export async function openSessions(place: SessionsPlace, options: SessionsOptions): Promise<Sessions> {
  if (place.redisUrl === undefined) return openDiskSessions({ path: statePath(place), ...options })
  const { openRedisSessions } = await import('./redis/redis-sessions.js') // loads only where it is used
  return openRedisSessions({ url: place.redisUrl, ...options })
}

/**
 * What a server would warn of with this Redis; rejects when it would not start.
 *
 * @throws ConfigError, see `openRedisSessions`.
 */
export async function checkRedisSessions(redisUrl: string, signal: AbortSignal): Promise<readonly string[]> {
  const { checkRedis } = await import('./redis/connect-redis.js')
  return checkRedis(redisUrl, signal)
}

/** Where sessions are, for people. */
export function describeSessions(place: SessionsPlace): string {
  return place.redisUrl === undefined ? `on disk in ${statePath(place)}` : 'in Redis'
}

/** How many sessions the state file holds, also while a server runs on it. */
export async function countSavedSessions(place: SessionsPlace): Promise<number> {
  const state = await openState(statePath(place), SESSION_FILE, { isShared: true })
  try {
    const [row] = await state.read({ sql: 'SELECT count(*) FROM session', args: [] })
    return Number(row?.[0] ?? 0)
  } finally {
    await state.close()
  }
}

function statePath({ folder }: SessionsPlace): string {
  return join(folder, 'state.db')
}
