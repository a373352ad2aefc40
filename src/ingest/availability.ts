import type { Logger } from '../log/logger.js'
import type { Tally } from '../metrics/tally.js'

/** What is known of the database from writing to it. */
export interface Availability {
  /** Whether live batches may go to it: it is not away, and no write of before hangs in it. */
  readonly isOpen: boolean
  /** Whether a write that nobody waits for any more may still commit. */
  readonly hasHangingWrites: boolean
  /** How many live batches were committed. */
  readonly liveCommits: number
  /** A write failed for another reason than its content. */
  failed(error: unknown): void
  /** A write takes too long; it is left to itself, and may end either way. */
  hangs(write: Promise<unknown>): void
  committed(): void
  /** A write was refused for its content, so others are taken. */
  refused(): void
  /** The same for a live batch, and how long its oldest message waited. */
  committedLive(waitedMs: number): void
  /** It answers, which is worth an attempt, but may refuse every write. */
  answers(): void
  /** The longest wait of a live message since the last time that this was asked. */
  takeLongestWaitMs(): number
}

/** One that is slow comes and goes with every batch, and not in the log. */
const TELL_EVERY_MS = 10_000

/** `meanwhile` completes the line in the log: what becomes of messages while the database is away. */
export function createAvailability(
  log: Logger,
  meanwhile: string,
  tally: Pick<Tally, 'storeFailsSinceMs'>,
): Availability {
  let awaySinceMs: number | undefined
  let toldAtMs = Number.NEGATIVE_INFINITY
  let isTold = false
  let hanging = 0
  let liveCommits = 0
  let longestWaitMs = 0

  const failed = (error: unknown): void => {
    tally.storeFailsSinceMs ??= Date.now()
    if (awaySinceMs !== undefined) return
    awaySinceMs = performance.now()
    if (isTold || awaySinceMs - toldAtMs < TELL_EVERY_MS) return
    isTold = true
    toldAtMs = awaySinceMs
    log.error({ error: String(error) }, `cannot write to the database; ${meanwhile} until it is back`)
  }

  const committed = (): void => {
    if (isTold) {
      isTold = false
      log.info({ awayMs: Math.round(performance.now() - toldAtMs) }, 'the database takes writes again')
    }
    awaySinceMs = undefined
    tally.storeFailsSinceMs = undefined
  }

  return {
    get isOpen() {
      return awaySinceMs === undefined && hanging === 0
    },
    get hasHangingWrites() {
      return hanging > 0
    },
    get liveCommits() {
      return liveCommits
    },
    failed,
    hangs(write) {
      hanging += 1
      failed('a write takes too long')
      void write.finally(() => {
        hanging -= 1
      })
    },
    committed,
    refused() {
      tally.storeFailsSinceMs = undefined
    },
    committedLive(waitedMs) {
      liveCommits += 1
      longestWaitMs = Math.max(longestWaitMs, waitedMs)
      committed()
    },
    answers() {
      awaySinceMs = undefined
    },
    takeLongestWaitMs() {
      const longest = longestWaitMs
      longestWaitMs = 0
      return longest
    },
  }
}
