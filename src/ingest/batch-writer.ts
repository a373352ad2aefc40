import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from '../log/logger.js'
import { createRateLimit } from '../log/rate-limit.js'
import { countWaiting, type Tally } from '../metrics/tally.js'
import type { Store } from '../store/store.js'
import { StoreError } from '../store/store-error.js'
import type { Accepted } from './accepted.js'
import type { Availability } from './availability.js'
import type { DeadLetters } from './dead-letters.js'
import { mergeBatch } from './merge-batch.js'
import type { Spool } from './spool.js'
import type { Split } from './spool-times.js'

/** What writing needs. */
export interface BatchWriterParts {
  readonly store: Pick<Store, 'write'>
  /** None: while the database is away, batches wait in memory. */
  readonly spool: Pick<Spool, 'append' | 'split'> | undefined
  /** Called when something is in the spool. */
  readonly spooled: () => void
  readonly availability: Availability
  readonly deadLetters: DeadLetters
  readonly keepsHistory: boolean
  readonly tally: Tally
  readonly log: Logger
  /** Ends the retries; what has not ended by then stays unsettled, and so unacknowledged. */
  readonly signal: AbortSignal
  /** Whether time runs out, so that the spool goes before the database. */
  readonly isInHurry: () => boolean
}

/** What became of an attempt: committed, or why not. */
type Outcome = 'stored' | StoreError

/** Where the attempts of a batch stand; an attempt that hangs may still end either way. */
interface Tried {
  readonly isEnded: boolean
  readonly hanging: Promise<Outcome> | undefined
}

const notTried: Tried = { isEnded: false, hanging: undefined }

/** What the spool did with a batch: `full` passes as it is emptied, `failed` is the disk's. */
type Spooled = 'spooled' | 'full' | 'failed'

/**
 * A commit takes some 20 ms, a lost connection or a restart of a proxy a second: after so long of failures a
 * batch goes to the spool.
 */
const SPOOL_AFTER_MS = 1500

/** A device waits some 5 s for its acknowledgement before it sends again: so long an answer may take. */
const HANGS_AFTER_MS = 4000

const FIRST_RETRY_MS = 100
const LAST_RETRY_MS = 5000

/** The replay makes room for some messages with every commit. */
const FULL_RETRY_MS = 100
const MINUTE_MS = 60_000

/**
 * Writes a batch until it is committed or on disk in the spool, and settles its reports then. A batch whose
 * content the store refuses is taken apart until the refused report is found.
 */
export function createBatchWriter(parts: BatchWriterParts): (batch: readonly Accepted[]) => Promise<void> {
  const { store, spool, availability, tally, log, signal } = parts
  const limit = createRateLimit(MINUTE_MS, 2)

  const write = async (batch: readonly Accepted[]): Promise<void> => {
    const rest = await writeBehind(batch)
    if (rest.length > 0) await writeAhead(rest)
  }

  /** What has to follow older messages of its device goes to the spool; resolves with what need not. */
  const writeBehind = async (batch: readonly Accepted[]): Promise<readonly Accepted[]> => {
    while (!signal.aborted) {
      const { behind, ahead } = splitBatch(batch)
      if (behind.length === 0) return ahead
      const isWhole = !isStoreFirst()
      const outcome = await trySpool(isWhole ? batch : behind)
      if (outcome === 'spooled') return isWhole ? [] : ahead
      // A disk that takes nothing does not let go of what is before them either.
      if (outcome === 'failed') return batch
      tally.stuckSinceMs ??= Date.now()
      await pause(FULL_RETRY_MS)
    }
    return []
  }

  const splitBatch = (batch: readonly Accepted[]): Split<Accepted> =>
    spool?.split(batch, Date.now()) ?? { behind: [], ahead: batch }

  const isStoreFirst = (): boolean => spool !== undefined && availability.isOpen && !parts.isInHurry()

  const writeAhead = async (batch: readonly Accepted[]): Promise<void> => {
    let { isEnded, hanging } = isStoreFirst() ? await tryInTime(batch) : notTried
    for (let retryMs = FIRST_RETRY_MS; !isEnded && !signal.aborted; retryMs = longer(retryMs)) {
      if ((await trySpool(batch)) === 'spooled') return
      // No room there: the batch waits here, and those behind it with their publishers.
      const outcome = await (hanging ?? tryAlone(batch))
      hanging = undefined
      isEnded = outcome !== undefined && (await endWith(outcome, batch))
      if (isEnded) continue
      tally.stuckSinceMs ??= Date.now()
      if (spool === undefined && outcome !== undefined) tellStuck(outcome)
      await pause(retryMs)
    }
  }

  /** Attempts until the batch has ended or is to go to the spool. */
  const tryInTime = async (batch: readonly Accepted[]): Promise<Tried> => {
    const untilMs = performance.now() + SPOOL_AFTER_MS
    for (let retryMs = FIRST_RETRY_MS; ; retryMs = longer(retryMs)) {
      const attempt = tryStore(batch)
      const outcome = await within(attempt, HANGS_AFTER_MS)
      if (outcome === undefined) {
        availability.hangs(attempt)
        return { isEnded: false, hanging: attempt }
      }
      const isLast = performance.now() + retryMs > untilMs || parts.isInHurry() || signal.aborted
      if (await endWith(outcome, batch, isLast)) return { isEnded: true, hanging: undefined }
      if (isLast) return notTried
      await pause(retryMs)
    }
  }

  /** Whether that was the end of the batch. */
  const endWith = async (outcome: Outcome, batch: readonly Accepted[], isLast = true): Promise<boolean> => {
    if (outcome === 'stored') settle(batch)
    else if (outcome.code === 'STORE_REJECTED') {
      availability.refused()
      await takeApart(batch, outcome)
    } else if (isLast) availability.failed(outcome)
    return outcome === 'stored' || outcome.code === 'STORE_REJECTED'
  }

  const pause = async (timeMs: number): Promise<void> => {
    await delay(timeMs, undefined, { signal }).catch(() => undefined) // aborted: whoever waits looks
  }

  /** No attempt beside one that hangs: that may be older, and does not know what is newer when it goes on. */
  const tryAlone = (batch: readonly Accepted[]): Promise<Outcome> | undefined =>
    availability.hasHangingWrites ? undefined : tryStore(batch)

  const tryStore = async (batch: readonly Accepted[]): Promise<Outcome> => {
    const startMs = performance.now()
    const othersWait = (): boolean => countWaiting(tally) > batch.length
    return store.write(mergeBatch(batch, parts.keepsHistory), othersWait).then(() => {
      tally.batchSeconds.observe((performance.now() - startMs) / 1000)
      return 'stored'
    }, asStoreError)
  }

  const trySpool = async (batch: readonly Accepted[]): Promise<Spooled> => {
    if (spool === undefined) return 'failed'
    try {
      if (await spool.append(batch)) {
        tally.stuckSinceMs = undefined
        for (const accepted of batch) accepted.settle('spooled')
        parts.spooled()
        return 'spooled'
      }
      if (limit.admit('full') !== undefined) {
        log.error(
          { messages: tally.spoolMessages, bytes: tally.spoolBytes, waiting: countWaiting(tally) },
          'the spool is full; nothing is acknowledged until the database is back (SPOOL_MAX_MB bounds it)',
        )
      }
      return 'full'
    } catch (error) {
      if (limit.admit('failed') !== undefined) {
        log.error(
          { error: String(error), waiting: countWaiting(tally) },
          'cannot write to the spool; nothing is acknowledged until it can',
        )
      }
      return 'failed'
    }
  }

  const tellStuck = (error: Outcome): void => {
    if (limit.admit('stuck') === undefined) return
    log.error(
      { error: String(error), waiting: countWaiting(tally) },
      'the database does not take messages; nothing is acknowledged until it does',
    )
  }

  const takeApart = async (batch: readonly Accepted[], error: StoreError): Promise<void> => {
    const [first] = batch
    if (batch.length > 1) {
      const middle = Math.ceil(batch.length / 2)
      await write(batch.slice(0, middle))
      await write(batch.slice(middle))
    } else if (first !== undefined) {
      log.warn({ device: first.device.deviceId, error: error.message }, 'the database refused a message')
      await parts.deadLetters.add(first, error.message)
      first.settle('refused-by-database')
    }
  }

  const settle = (batch: readonly Accepted[]): void => {
    availability.committedLive(Date.now() - (batch[0]?.receivedAtMs ?? Date.now()))
    tally.stuckSinceMs = undefined
    tally.batches += 1
    tally.batchSizes.observe(batch.length)
    for (const accepted of batch) {
      tally.readings += accepted.report.readings.length
      accepted.settle('stored')
    }
  }

  return write
}

function longer(retryMs: number): number {
  return Math.min(retryMs * 2, LAST_RETRY_MS)
}

/** What the attempt comes to within `timeMs`; `undefined`: nothing by then. */
function within(attempt: Promise<Outcome>, timeMs: number): Promise<Outcome | undefined> {
  return new Promise((resolve) => {
    const late = setTimeout(resolve, timeMs, undefined)
    void attempt.then((outcome) => {
      clearTimeout(late)
      resolve(outcome)
    })
  })
}

/** A store rejects with nothing else; whatever it were, another attempt does no harm. */
function asStoreError(error: unknown): StoreError {
  return error instanceof StoreError ? error : new StoreError('STORE_UNAVAILABLE', String(error))
}
