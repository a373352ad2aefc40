import type { Logger } from '../log/logger.js'
import { createRateLimit } from '../log/rate-limit.js'
import type { Batch } from './batch.js'
import type { Pause } from './pace.js'
import { batchOf, type DeviceState, type PendingState, partsOf } from './pending-state.js'
import { StoreError } from './store-error.js'

/** What the state tables lack. */
export interface Backlog {
  readonly states: PendingState
  /** When the oldest of it was written, epoch ms. */
  readonly asOfMs: number
}

/**
 * Puts a backlog into the state tables. What is there leaves its `states`, so that after a failure the rest can be
 * tried again. `pause` is made between transactions; absent: none.
 *
 * @throws StoreError STORE_UNAVAILABLE
 */
export type ApplyState = (backlog: Backlog, pause?: Pause) => Promise<void>

/** Keeps what the state tables refuse of one device, where its operator finds it. */
export type KeepRefused = (state: Pick<Batch, 'devices' | 'sensors'>, reason: string) => Promise<unknown>

/** What applying needs. */
export interface StateApplierParts {
  /** Rejects with a `StoreError`. */
  readonly writeState: (batch: Batch) => Promise<void>
  readonly keepRefused: KeepRefused
  readonly log: Logger
}

/** Devices in a transaction: some 10 ms, so that batches need not wait long for the processor. */
const DEVICES_AT_ONCE = 32

/** Transactions that may fail so, 20 s each: one is somebody's row, which keeps no others waiting; more are a table. */
const MAX_LOCKED = 2

const MINUTE_MS = 60_000

/** Makes an `ApplyState`. */
export function createStateApplier({ writeState, keepRefused, log }: StateApplierParts): ApplyState {
  const limit = createRateLimit(MINUTE_MS, 1)

  /** What the database refuses is looked for, down to a single sensor, and left out: its publisher has been answered. */
  const apply = async (states: readonly DeviceState[], asOfMs: number): Promise<void> => {
    const [state, ...others] = states
    if (state === undefined || (await tryToApply(states, asOfMs)) === undefined) return
    if (others.length === 0) {
      for (const part of partsOf(state)) await applyPart(part, asOfMs)
    } else {
      const middle = Math.ceil(states.length / 2)
      await apply(states.slice(0, middle), asOfMs)
      await apply(states.slice(middle), asOfMs)
    }
  }

  const applyPart = async (part: DeviceState, asOfMs: number): Promise<void> => {
    const reason = await tryToApply([part], asOfMs)
    if (reason === undefined) return
    const { devices, sensors } = batchOf([part])
    if (limit.admit('refused') !== undefined) {
      const device = (devices[0] ?? sensors[0])?.deviceId
      log.error({ device, error: reason }, "the database refused a part of a device's state")
    }
    await keepRefused({ devices, sensors }, reason)
  }

  /** Why the database refuses these; `undefined`: it has taken them. */
  const tryToApply = async (states: readonly DeviceState[], asOfMs: number): Promise<string | undefined> => {
    try {
      await writeState({ ...batchOf(states), asOfMs })
      return undefined
    } catch (error) {
      if (error instanceof StoreError && error.code === 'STORE_REJECTED') return error.message
      throw error
    }
  }

  /** Why some are left: their rows are locked. */
  const applySome = async (
    states: PendingState,
    ids: readonly number[],
    asOfMs: number,
  ): Promise<StoreError | undefined> => {
    try {
      const some = ids.flatMap((id) => states.get(id) ?? [])
      await apply(some, asOfMs)
    } catch (error) {
      if (error instanceof StoreError && error.fault === 'locked') return error
      throw error
    }
    for (const id of ids) states.delete(id)
    return undefined
  }

  return async ({ states, asOfMs }, pause = async () => undefined) => {
    const ids = [...states.keys()]
    const locked: StoreError[] = []
    while (ids.length > 0 && locked.length < MAX_LOCKED) {
      const error = await applySome(states, ids.splice(0, DEVICES_AT_ONCE), asOfMs)
      if (error !== undefined) locked.push(error)
      if (ids.length > 0) await pause(Math.ceil(ids.length / DEVICES_AT_ONCE))
    }
    const [error] = locked
    if (error !== undefined) throw error
  }
}
