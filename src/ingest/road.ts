import type { Logger } from '../log/logger.js'
import type { Tally } from '../metrics/tally.js'
import type { PresenceChange } from '../store/presence.js'
import type { Store } from '../store/store.js'
import type { Accepted } from './accepted.js'
import { createAvailability } from './availability.js'
import { createBatchWriter } from './batch-writer.js'
import type { DeadLetters } from './dead-letters.js'
import { createPresenceMarks } from './presence-marks.js'
import { type Replay, startReplay } from './replay.js'
import type { Spool } from './spool.js'

/** What the road is made of. */
export interface RoadParts {
  readonly store: Pick<Store, 'write' | 'ping'>
  /** Where messages go while the store is away; none: they wait in memory, as far as there is room. */
  readonly spool: Spool | undefined
  readonly deadLetters: DeadLetters
  readonly tally: Tally
  readonly log: Logger
  readonly maxBatch: number
  readonly keepsHistory: boolean
}

/** The ways to the store: straight there, or by the spool. */
export interface Road {
  /** Writes a batch until it is stored or spooled, and settles each message of it. Does not reject. */
  write(batch: readonly Accepted[]): Promise<void>
  /** From now on batches go to the spool rather than to the store. */
  hurry(): void
  /**
   * Keeps what is older than these, and comes from the spool later, from saying otherwise. Resolves when nothing
   * is being written any more that does not know of them.
   */
  notePresence(changes: readonly PresenceChange[]): Promise<void>
  /** Leaves what is in the spool to the next run. */
  stop(): void
}

/** Joins the ways; `signal` ends the retries. */
export function createRoad(parts: RoadParts, signal: AbortSignal): Road {
  const { spool, log } = parts
  const meanwhile = spool === undefined ? 'nothing is acknowledged' : 'messages go to the spool'
  const shared = {
    ...parts,
    availability: createAvailability(log, meanwhile, parts.tally),
    marks: createPresenceMarks(),
  }
  const replay: Replay | undefined = spool === undefined ? undefined : startReplay({ ...shared, spool })
  let isInHurry = false
  return {
    write: createBatchWriter({
      ...shared,
      spooled: () => replay?.wake(),
      signal,
      isInHurry: () => isInHurry,
    }),
    hurry() {
      isInHurry = true
    },
    async notePresence(changes) {
      shared.marks.note(changes)
      await replay?.settled()
    },
    stop() {
      replay?.stop()
    },
  }
}
