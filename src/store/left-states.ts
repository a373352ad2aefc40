import type { Logger } from '../log/logger.js'
import { createRateLimit } from '../log/rate-limit.js'
import { addBatch, type PendingState } from './pending-state.js'
import type { ApplyState } from './state-applier.js'
import type { LoggedState } from './state-entry.js'

/** Looks after entries in the log of state whose server is gone. */
export interface LeftStates {
  stop(): Promise<void>
}

/** What it needs. */
export interface LeftStatesParts {
  readonly readEntries: (ageS: number) => Promise<readonly LoggedState[]>
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
 * old, now and every minute, for the other may be dead.
 *
 * @throws StoreError where that fails the first time.
 */
export async function startLeftStates(parts: LeftStatesParts): Promise<LeftStates> {
  const { log, isOneOfSeveral } = parts
  await applyLeft(parts, isOneOfSeveral ? LEFT_AFTER_S : 0)
  if (!isOneOfSeveral) return { stop: async () => undefined }
  const limit = createRateLimit(HOUR_MS, 1)
  let looking: Promise<void> = Promise.resolve()
  const timer = setInterval(() => {
    looking = looking
      .then(() => applyLeft(parts, LEFT_AFTER_S))
      .catch((error: unknown) => {
        if (limit.admit('look') === undefined) return
        log.warn({ error: String(error) }, 'cannot look for what another server left in device_state_log')
      })
  }, LOOK_EVERY_MS)
  return {
    async stop() {
      clearInterval(timer)
      await looking
    },
  }
}

async function applyLeft({ readEntries, apply, log }: LeftStatesParts, ageS: number): Promise<void> {
  let entries = await readEntries(ageS)
  for (; entries.length > 0; entries = await readEntries(ageS)) {
    const states: PendingState = new Map()
    for (const { batch } of entries) addBatch(states, batch, Date.now())
    const devices = states.size
    await apply({ states, entries: entries.map(({ id }) => id), asOfMs: Date.now() })
    log.info({ devices }, 'what devices reported last before a server ended is in their rows now')
  }
}
