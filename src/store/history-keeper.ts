import { setTimeout as delay } from 'node:timers/promises'
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

/** Walks the history now and every hour, deleting what is older than `days`, in short steps. */
export function startHistoryKeeper(
  store: Pick<Store, 'pruneHistory'>,
  days: number,
  log: Logger,
): HistoryKeeper {
  const stopping = new AbortController()
  const { signal } = stopping

  const walk = async (): Promise<void> => {
    const beforeMs = Date.now() - days * DAY_MS
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
