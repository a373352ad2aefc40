import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from '../log/logger.js'
import type { Store } from './store.js'
import { StoreError } from './store-error.js'

const FIRST_RETRY_S = 2
const LAST_RETRY_S = 300

/**
 * Opens a store, and while it is away tries again after 2 s, 4 s and so on up to 300 s. Rejects when the
 * store is there and cannot be used (any other code), or when `signal` is aborted.
 */
export async function waitForStore(
  open: () => Promise<Store>,
  log: Logger,
  signal: AbortSignal,
): Promise<Store> {
  for (let retryS = FIRST_RETRY_S; ; retryS = Math.min(retryS * 2, LAST_RETRY_S)) {
    signal.throwIfAborted()
    try {
      return await open()
    } catch (error) {
      if (!(error instanceof StoreError && error.code === 'STORE_UNAVAILABLE')) throw error
      log.warn(
        { error: error.message, retryInSeconds: retryS },
        'the database cannot be reached; trying again',
      )
      await delay(retryS * 1000, undefined, { signal })
    }
  }
}
