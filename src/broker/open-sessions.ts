import type { Logger } from '../log/logger.js'
import { createMemorySessions } from './memory-sessions.js'
import { openRedisSessions } from './redis-sessions.js'
import type { Sessions } from './sessions.js'

/** The sessions at `redisUrl`, or in memory where there is none. */
export async function openSessions(
  redisUrl: string | undefined,
  log: Logger,
  signal: AbortSignal,
): Promise<Sessions> {
  return redisUrl === undefined ? createMemorySessions() : openRedisSessions(redisUrl, log, signal)
}
