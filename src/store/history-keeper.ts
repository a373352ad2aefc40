import { setTimeout as delay } from 'node:timers/promises'
import { isUnset, steadyNow } from '../clock/clock.js'
import type { Logger } from '../log/logger.js'
import type { PruneCursor, Store } from './store.js'

/** Deletes what the history need not keep. */
export interface HistoryKeeper {
  stop(): Promise<void>
}

const HOUR_MS = 3_600_000
const DAY_MS = 86_400_000

/** Rows a statement deletes: some tens of milliseconds of one connection, and locks on no one's newest rows. */
const ROWS_A_STEP = 2000

/** Between two steps, so that a long walk leaves the database to those who wait for an acknowledgement. */
const PAUSE_MS = 20

/** For so long nothing is deleted after a start at which the clock may be wrong; someone may put it right. */
const DOUBT_FOR_MS = DAY_MS

/**
 * Walks the history now and every hour, deleting what is older than `days`, in short steps.
 *
 * A clock that jumps ahead must not delete what is not old. While the process runs, no more counts as old than has
 * become so by a clock that nobody sets. At the start, where no device was seen for a day by the clock, either the
 * server was away for long or the clock is ahead: nothing is deleted for a day.
 */
export function startHistoryKeeper(
  store: Pick<Store, 'pruneHistory' | 'newestSeen'>,
  days: number,
  log: Logger,
): HistoryKeeper {
  const stopping = new AbortController()
  const { signal } = stopping

  /** When the last doubt ends, by the clock of `performance`. */
  let doubtedUntilMs: number | undefined

  const hasDoubt = async (): Promise<boolean> => {
    if (doubtedUntilMs === undefined) {
      const seenMs = await store.newestSeen()
      const isLate = seenMs !== undefined && !isUnset(seenMs) && trustedNow() - seenMs > DAY_MS
      doubtedUntilMs = isLate ? performance.now() + DOUBT_FOR_MS : 0
      if (isLate) {
        log.warn(
          { lastSeen: new Date(seenMs).toISOString() },
          'no device was seen for over a day, or the clock is ahead: nothing is deleted from the history for a day',
        )
      }
    }
    return performance.now() < doubtedUntilMs
  }

  const walk = async (): Promise<void> => {
    if (await hasDoubt()) return
    const beforeMs = trustedNow() - days * DAY_MS
    let deleted = 0
    let cursor: PruneCursor | undefined
    do {
      const step = await store.pruneHistory(beforeMs, ROWS_A_STEP, cursor)
      deleted += step.deleted
      cursor = step.cursor
      await delay(PAUSE_MS, undefined, { signal })
    } while (cursor !== undefined)
    if (deleted > 0) log.info({ rows: deleted, days }, 'old readings were deleted from the history')
  }

  const run = async (): Promise<void> => {
    while (!signal.aborted) {
      try {
        await walk()
      } catch (error) {
        if (signal.aborted) return
        log.warn({ error: String(error) }, 'old readings could not be deleted; trying again in an hour')
      }
      await delay(HOUR_MS, undefined, { signal, ref: false }).catch(() => undefined) // aborted: the loop ends
    }
  }

  const running = run()
  return {
    async stop() {
      stopping.abort()
      await running
    },
  }
}

/** A process that was started before its clock was set knows no better than that clock. */
function trustedNow(): number {
  const steadyMs = steadyNow()
  return isUnset(steadyMs) ? Date.now() : Math.min(Date.now(), steadyMs)
}
