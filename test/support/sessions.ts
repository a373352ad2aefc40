import { join } from 'node:path'
import type { Logger } from 'pino'
import type { Tally } from '#src/metrics/tally.js'
import { openDiskSessions } from '#src/sessions/disk/disk-sessions.js'
import { openRedisSessions } from '#src/sessions/redis/redis-sessions.js'
import type { SessionLimits } from '#src/sessions/session-limits.js'
import type { Sessions } from '#src/sessions/sessions.js'
import { type AtEnd, temporaryFolder, withTest } from './temporary-folder.js'

/** Bounds that no test meets by accident. */
const wide: SessionLimits = {
  maxQueued: 65_535,
  maxInflight: 65_535,
  expirySeconds: 604_800,
  maxRetained: 100_000,
  maxRetainedBytes: 2 ** 26,
}

/** Sessions in a folder of their own, until the running test is over. */
export async function openTestSessions(
  tally: Tally,
  log: Logger,
  limits: Partial<SessionLimits> = {},
  atEnd: AtEnd = withTest,
): Promise<Sessions> {
  const path = join(await temporaryFolder(atEnd), 'state.db')
  const sessions = await openDiskSessions({ path, limits: { ...wide, ...limits }, tally, log })
  atEnd(sessions.close)
  return sessions
}

/** Sessions in a Redis, until the running test is over. */
export async function openTestRedisSessions(
  url: string,
  tally: Tally,
  log: Logger,
  limits: Partial<SessionLimits> = {},
): Promise<Sessions> {
  const { signal } = new AbortController()
  const sessions = await openRedisSessions({ url, limits: { ...wide, ...limits }, tally, log, signal })
  withTest(sessions.close)
  return sessions
}
