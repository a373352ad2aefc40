import type { Logger } from '../log/logger.js'
import { createMemorySessions } from './memory-sessions.js'
import type { Sessions } from './sessions.js'

/** The sessions at `redisUrl`, or in memory where there is none. */
export async function openSessions(
  redisUrl: string | undefined,
  log: Logger,
  signal: AbortSignal,
): Promise<Sessions> {
  if (redisUrl === undefined) return createMemorySessions()
  const { openRedisSessions } = await import('./redis-sessions.js') // loads only where it is used
  return openRedisSessions(redisUrl, log, signal)
}
