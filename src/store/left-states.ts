import type { Logger } from '../log/logger.js'
import { createRateLimit } from '../log/rate-limit.js'
import { addBatch, type PendingState } from './pending-state.js'
import type { ApplyState } from './state-applier.js'
import type { LoggedState } from './state-entry.js'
import { StoreError } from './store-error.js'

/** Looks after entries in the log of state whose server is gone. */
export interface LeftStates {
  stop(): Promise<void>
}

/** What it needs. */
export interface LeftStatesParts {
  readonly readEntries: (ageS: number) => Promise<readonly LoggedState[]>
  readonly removeEntries: (ids: readonly number[]) => Promise<void>
  readonly apply: ApplyState
  readonly log: Logger
  readonly isOneOfSeveral: boolean
}

/** An entry so old is no living server's, which has its own in the state tables after some seconds. */
const LEFT_AFTER_S = 60
const LOOK_EVERY_MS = 60_000
const HOUR_MS = 3_600_000

/**
 * Puts what is left in the log into the state tables: all of it, if no other server uses the database; else what is
 * old, now and every minute, for the other may be dead. What the database is not able to do now is tried again every
 * minute, too.
 *
 * @throws StoreError STORE_SCHEMA for an entry that cannot be read.
 */
export async function startLeftStates(parts: LeftStatesParts): Promise<LeftStates> {
  const { log, isOneOfSeveral } = parts
  const limit = createRateLimit(HOUR_MS, 1)

  /** Whether all is there. */
  const look = async (ageS: number): Promise<boolean> => {
    try {
      await applyLeft(parts, ageS)
      return true
    } catch (error) {
      if (error instanceof StoreError && error.code === 'STORE_SCHEMA') throw error
      tell(error)
      return false
    }
  }

  const tell = (error: unknown): void => {
    if (limit.admit('look') === undefined) return
    log.warn(
      { error: String(error) },
      'what a server that ended left in device_state_log is not in its rows yet',
    )
  }

  const isDone = await look(isOneOfSeveral ? LEFT_AFTER_S : 0)
  if (isDone && !isOneOfSeveral) return { stop: async () => undefined }
  let looking: Promise<unknown> = Promise.resolve()
  const timer = setInterval(() => {
    looking = looking
      .then(() => look(LEFT_AFTER_S))
      .then((isThere) => {
        if (isThere && !isOneOfSeveral) clearInterval(timer)
      }, tell)
  }, LOOK_EVERY_MS)
  return {
    async stop() {
      clearInterval(timer)
      await looking
    },
  }
}

async function applyLeft(
  { readEntries, removeEntries, apply, log }: LeftStatesParts,
  ageS: number,
): Promise<void> {
  let entries = await readEntries(ageS)
  for (; entries.length > 0; entries = await readEntries(ageS)) {
    const states: PendingState = new Map()
    for (const { batch } of entries) addBatch(states, batch, Date.now())
    const devices = states.size
    await apply({ states, asOfMs: Date.now() })
    await removeEntries(entries.map(({ id }) => id))
    log.info({ devices }, 'what devices reported last before a server ended is in their rows now')
  }
}
