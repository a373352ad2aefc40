import type { Logger } from '../log/logger.js'
import { createRateLimit } from '../log/rate-limit.js'
import type { Batch } from './batch.js'
import type { Pause } from './pace.js'
import { batchOf, type DeviceState, type PendingState } from './pending-state.js'
import { StoreError } from './store-error.js'

/** What the state tables lack. */
export interface Backlog {
  readonly states: PendingState
  /** Where it is in the log of state. */
  readonly entries: readonly number[]
  /** When the oldest of it was written, epoch ms. */
  readonly asOfMs: number
}

/**
 * Puts a backlog into the state tables, and then removes its entries from the log. What is there leaves its `states`,
 * so that after a failure the rest can be tried again. `pause` is made between transactions; absent: none.
 *
 * @throws StoreError STORE_UNAVAILABLE
 */
export type ApplyState = (backlog: Backlog, pause?: Pause) => Promise<void>

/** What applying needs; both reject with a `StoreError`. */
export interface StateApplierParts {
  readonly writeState: (batch: Batch) => Promise<void>
  readonly removeEntries: (ids: readonly number[]) => Promise<void>
  readonly log: Logger
}

/** Devices in a transaction: some 10 ms, so that batches need not wait long for the processor. */
const DEVICES_AT_ONCE = 32

const MINUTE_MS = 60_000

/** Makes an `ApplyState`. */
export function createStateApplier({ writeState, removeEntries, log }: StateApplierParts): ApplyState {
  const limit = createRateLimit(MINUTE_MS, 1)

  /** What the database refuses is looked for, and left out: its publisher has been answered. */
  const apply = async (states: readonly DeviceState[], asOfMs: number): Promise<void> => {
    try {
      await writeState({ ...batchOf(states), asOfMs })
    } catch (error) {
      if (!(error instanceof StoreError && error.code === 'STORE_REJECTED')) throw error
      if (states.length > 1) {
        const middle = Math.ceil(states.length / 2)
        await apply(states.slice(0, middle), asOfMs)
        await apply(states.slice(middle), asOfMs)
      } else if (limit.admit('refused') !== undefined) {
        log.error(
          { device: states[0]?.change?.deviceId, error: error.message },
          "the database refused a device's state; its history is stored",
        )
      }
    }
  }

  return async ({ states, entries, asOfMs }, pause = async () => undefined) => {
    while (states.size > 0) {
      const ids = firstOf(states.keys(), DEVICES_AT_ONCE)
      await apply(
        ids.flatMap((id) => states.get(id) ?? []),
        asOfMs,
      )
      for (const id of ids) states.delete(id)
      if (states.size > 0) await pause(Math.ceil(states.size / DEVICES_AT_ONCE))
    }
    if (entries.length > 0) await removeEntries(entries)
  }
}

function firstOf<T>(items: Iterable<T>, count: number): T[] {
  const first: T[] = []
  for (const item of items) {
    if (first.length === count) break
    first.push(item)
  }
  return first
}
