import type { Logger } from '../log/logger.js'
import { createRateLimit } from '../log/rate-limit.js'
import type { Tally } from '../metrics/tally.js'

const MINUTE_MS = 60_000

/** Topics come from peers, and are shortened in the log. */
const MAX_LOGGED_TOPIC = 256

/** Counts each retained message that is delivered and not kept, and names one of them in the log once a minute. */
export function createRetainedRefusal(
  tally: Pick<Tally, 'retainedRefused'>,
  log: Logger,
): (topic: string) => void {
  const limit = createRateLimit(MINUTE_MS, 1)
  return (topic) => {
    tally.retainedRefused += 1
    const missed = limit.admit('refused')
    if (missed === undefined) return
    log.warn(
      { topic: topic.slice(0, MAX_LOGGED_TOPIC), ...(missed > 0 ? { alsoRefused: missed } : {}) },
      'there are too many retained messages; one was delivered and not kept',
    )
  }
}
