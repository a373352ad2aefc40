import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from '../log/logger.js'
import type { Batch } from './batch.js'
import { createLoadMeter } from './load-meter.js'
import { createPace } from './pace.js'
import { addBatch, addState, type PendingState } from './pending-state.js'
import type { ApplyState, Backlog } from './state-applier.js'
import { StoreError } from './store-error.js'

/** What a database does for a `StateWriter`; each rejects with a `StoreError`. */
export interface StateWriterParts {
  /** Commits a batch, history and state. */
  readonly writeAll: (batch: Batch) => Promise<void>
  /** Commits its history, and its state as entries of a log; resolves to their ids. */
  readonly writeLogged: (batch: Batch) => Promise<readonly number[]>
  /** Puts a backlog into the state tables. */
  readonly apply: ApplyState
  /** Removes from the log what the state tables have. */
  readonly removeEntries: (ids: readonly number[]) => Promise<void>
  readonly log: Logger
}

/**
 * Writes batches. Under load the state tables are what costs: a device's rows are written with each of its messages,
 * though only the last one stays. So they follow then, merged over `FOLLOW_AFTER_MS`; what they still lack is in a
 * log of the same database, from which a crash is put right.
 *
 * | State | `write` | the state tables |
 * |---|---|---|
 * | quiet: less than `BUSY_DEVICES`, nothing pending | history and state in one transaction | have all |
 * | following: busy, or something is pending | history and entries in one transaction | are behind, 30 s at the most |
 * | refused: they took nothing when last tried | waits until they have all, or fails | are behind |
 * | without a log: it was dropped, or the right to it | history and state in one transaction | have all |
 */
export interface StateWriter {
  /**
   * `Store.write`. Where nobody else waits, it resolves when the state tables have all that was written before; else
   * they may follow.
   */
  write(batch: Batch, othersWait?: () => boolean): Promise<void>
  /** Resolves when the state tables have all that was written before the call; rejects when they do not take it. */
  caughtUp(): Promise<void>
  /** The same, if anything of one of these devices is missing there. */
  caughtUpOn(deviceIds: readonly number[]): Promise<void>
  /** Tries once more; what is still missing is in the log. */
  stop(): Promise<void>
}

/** Devices in batches a second from which on the state tables follow: below, they cost a quarter of a core. */
const BUSY_DEVICES = 1000

/** What is pending for so long follows, */
const FOLLOW_AFTER_MS = 1000

/** spread over this: done at once, it would have every batch of a quarter of a second wait. */
const FOLLOW_FOR_MS = 4000

/** Beyond this, whether they refuse or cannot keep up, no batch is logged before they have caught up. */
const FARTHEST_BEHIND_MS = 30_000

/** Under load somebody comes within less. */
const AT_REST_AFTER_MS = 5

/** No longer has a batch wait for the tables, with its acknowledgements: past 4 s it would count as hanging. */
const AT_REST_FOR_MS = 2000

const RETRY_MS = 1000

/** What the state tables lack; since when, by the clock of `performance`. */
interface Pending extends Backlog {
  /** Where it is in the log of state. */
  readonly entries: number[]
  readonly sinceMs: number
}

/** Nothing follows yet. */
export function createStateWriter(parts: StateWriterParts): StateWriter {
  const load = createLoadMeter(BUSY_DEVICES)
  const pace = createPace()
  let pending: Pending | undefined
  let following: { readonly states: PendingState; readonly ended: Promise<void> } | undefined
  let areRefusing = false
  let hasLog = true
  let timer: NodeJS.Timeout | undefined
  let isStopped = false

  const schedule = (afterMs: number): void => {
    // Whoever waits for the state tables is told of a failure, and this comes again.
    if (!isStopped) timer ??= setTimeout(() => void follow().catch(() => undefined), afterMs)
  }

  const isBehind = (): boolean => (pending ?? following) !== undefined

  /** Goes on without the log where it is gone; rejects with any other failure. */
  const withoutLog = (error: unknown): void => {
    if (!(error instanceof StoreError && error.fault === 'no-table')) throw error
    if (!hasLog) return
    hasLog = false
    parts.log.warn(
      { error: error.message },
      'device_state_log cannot be used any more; until the next start each batch writes the state of its devices',
    )
  }

  const catchUpOn = async ({ entries, ...backlog }: Pending): Promise<void> => {
    await parts.apply(backlog, pace.spread(FOLLOW_FOR_MS))
    if (hasLog) await parts.removeEntries(entries).catch(withoutLog)
  }

  /** Brings the state tables up to what is pending now; once at a time. */
  const follow = (): Promise<void> => {
    if (following !== undefined) return following.ended
    clearTimeout(timer)
    timer = undefined
    if (pending === undefined) return Promise.resolve()
    const backlog = pending
    pending = undefined
    const ended = catchUpOn(backlog).then(
      () => {
        following = undefined
        areRefusing = false
        if (pending !== undefined) schedule(FOLLOW_AFTER_MS)
      },
      (error: unknown) => {
        following = undefined
        // Where somebody has some rows locked, the others follow.
        areRefusing = !(error instanceof StoreError && error.fault === 'locked')
        pending = joined(backlog, pending)
        schedule(RETRY_MS)
        throw error
      },
    )
    following = { states: backlog.states, ended }
    return ended
  }

  const caughtUp = async (): Promise<void> => {
    const relax = pace.hurry()
    try {
      await following?.ended
      await follow()
    } finally {
      relax()
    }
  }

  /** Catches up as long as nobody else comes; what fails is in the log. */
  const whenAtRest = async (othersWait: () => boolean): Promise<void> => {
    await delay(AT_REST_AFTER_MS)
    const untilMs = performance.now() + AT_REST_FOR_MS
    const relax = pace.hurry()
    try {
      while (isBehind() && !othersWait() && performance.now() < untilMs) {
        await Promise.race([follow(), delay(AT_REST_AFTER_MS)])
      }
    } catch {
      // told of by whoever needs the tables
    } finally {
      relax()
    }
  }

  /** Whether there is a log for it. */
  const writeLogged = async (batch: Batch): Promise<boolean> => {
    try {
      const entries = await parts.writeLogged(batch)
      pending ??= { states: new Map(), entries: [], sinceMs: performance.now(), asOfMs: Date.now() }
      addBatch(pending.states, batch, Date.now())
      pending.entries.push(...entries)
      schedule(FOLLOW_AFTER_MS)
      return true
    } catch (error) {
      withoutLog(error)
      return false
    }
  }

  const mustCatchUp = (): boolean =>
    areRefusing || (pending !== undefined && performance.now() - pending.sinceMs > FARTHEST_BEHIND_MS)

  return {
    async write(batch, othersWait = () => false) {
      const isBusy = load.note(batch.devices.length)
      if (hasLog && (isBusy || isBehind())) {
        if (mustCatchUp()) await caughtUp()
        if (await writeLogged(batch)) {
          if (!othersWait()) await whenAtRest(othersWait)
          return
        }
      }
      if (isBehind()) await caughtUp()
      await parts.writeAll(batch)
    },
    caughtUp,
    async caughtUpOn(deviceIds) {
      const isMissing = (id: number): boolean => pending?.states.has(id) || following?.states.has(id) || false
      if (deviceIds.some(isMissing)) await caughtUp()
    },
    async stop() {
      isStopped = true
      clearTimeout(timer)
      await caughtUp().catch(() => undefined) // it is in the log
    },
  }
}

/** What is pending when `older` could not be written, all of it. */
function joined(older: Pending, newer: Pending | undefined): Pending {
  if (newer === undefined) return older
  addState(older.states, newer.states, Date.now())
  return { ...older, entries: [...older.entries, ...newer.entries] }
}
