import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from '../log/logger.js'
import type { Tally } from '../metrics/tally.js'
import type { Store } from '../store/store.js'
import { StoreError } from '../store/store-error.js'
import type { Accepted } from './accepted.js'
import { mergeBatch } from './merge-batch.js'

/** What writing needs. */
export interface BatchWriterParts {
  readonly store: Pick<Store, 'write'>
  readonly keepsHistory: boolean
  readonly tally: Tally
  readonly log: Logger
  /** Ends the retries; what is not committed by then stays unsettled, and so unacknowledged. */
  readonly signal: AbortSignal
}

const FIRST_RETRY_MS = 100
const LAST_RETRY_MS = 5000

/**
 * Writes a batch until it is committed, and settles its reports then. While the store is away it tries
 * again; a batch whose content the store refuses is taken apart until the refused report is found.
 */
export function createBatchWriter(parts: BatchWriterParts): (batch: readonly Accepted[]) => Promise<void> {
  const { store, tally, log, signal } = parts
  let awaySinceMs: number | undefined

  const write = async (batch: readonly Accepted[]): Promise<void> => {
    for (let retryMs = FIRST_RETRY_MS; !signal.aborted; retryMs = Math.min(retryMs * 2, LAST_RETRY_MS)) {
      try {
        await store.write(mergeBatch(batch, parts.keepsHistory))
      } catch (error) {
        if (error instanceof StoreError && error.code === 'STORE_REJECTED') return takeApart(batch, error)
        noteAway(error)
        await delay(retryMs, undefined, { signal }).catch(() => undefined) // aborted: the loop ends
        continue
      }
      noteBack()
      settle(batch)
      return
    }
  }

  const takeApart = async (batch: readonly Accepted[], error: StoreError): Promise<void> => {
    const [first] = batch
    if (batch.length > 1) {
      const middle = Math.ceil(batch.length / 2)
      await write(batch.slice(0, middle))
      await write(batch.slice(middle))
    } else if (first !== undefined) {
      log.warn({ device: first.device.deviceId, error: error.message }, 'the database refused a message')
      first.settle('refused-by-database')
    }
  }

  const settle = (batch: readonly Accepted[]): void => {
    tally.batches += 1
    for (const accepted of batch) {
      tally.readings += accepted.report.readings.length
      accepted.settle('stored')
    }
  }

  const noteAway = (error: unknown): void => {
    if (awaySinceMs !== undefined) return
    awaySinceMs = Date.now()
    log.error(
      { error: String(error) },
      'cannot write to the database; nothing is acknowledged until it is back',
    )
  }

  const noteBack = (): void => {
    if (awaySinceMs === undefined) return
    log.info({ awayMs: Date.now() - awaySinceMs }, 'the database takes writes again')
    awaySinceMs = undefined
  }

  return write
}
