import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from '../log/logger.js'
import { createRateLimit } from '../log/rate-limit.js'
import type { Tally } from '../metrics/tally.js'
import type { Store } from '../store/store.js'
import { StoreError } from '../store/store-error.js'
import type { DeviceMessage } from './accepted.js'
import type { Availability } from './availability.js'
import type { DeadLetters } from './dead-letters.js'
import { mergeBatch } from './merge-batch.js'
import type { PresenceMarks } from './presence-marks.js'
import type { Spool, SpooledMessages } from './spool.js'

/** What a replay needs. */
export interface ReplayParts {
  readonly store: Pick<Store, 'write' | 'ping'>
  readonly spool: Pick<Spool, 'oldest' | 'remove'>
  readonly availability: Availability
  readonly marks: PresenceMarks
  readonly deadLetters: DeadLetters
  readonly keepsHistory: boolean
  readonly maxBatch: number
  readonly tally: Tally
  readonly log: Logger
}

/** The way from the spool to the database. */
export interface Replay {
  /** Says that something is in the spool. */
  wake(): void
  /** Resolves when the attempt that is under way, if there is one, has ended. */
  settled(): Promise<void>
  /** Leaves the rest to the next run. */
  stop(): void
}

const FIRST_RETRY_MS = 100
const LAST_RETRY_MS = 5000

/** A database that is slow has the spool filled and emptied every few seconds; the log need not say so each time. */
const TELL_EVERY_MS = 10_000

/** A live message that waits longer than this goes first: a commit takes some 20 ms. */
const LIVE_PATIENCE_MS = 300
/** How long the replay rests for live traffic at a time, and how often before it has its turn all the same. */
const REST_MS = 100
const MOST_RESTS = 10

/** How often a single message may fail while others are stored, until it counts as refused. */
const MOST_FAILURES = 5

/**
 * Writes what is in the spool to the database, oldest first, one batch at a time, and removes it after the
 * commit. While the database is away, its attempts are what finds out when it is back.
 */
export function startReplay(parts: ReplayParts): Replay {
  const { spool, availability, marks, tally, log } = parts
  const stopping = new AbortController()
  const { signal } = stopping
  const limit = createRateLimit(TELL_EVERY_MS, 2)
  const writer = createReplayWriter(parts, signal)
  let wake = (): void => undefined
  /** Whether something came since the spool was last looked at. */
  let isDue = false
  let begun: { readonly isTold: boolean; readonly atMs: number; readonly ended: number } | undefined

  const run = async (): Promise<void> => {
    while (!signal.aborted) {
      try {
        isDue = false
        const some = await nextMessages()
        if (some === undefined) await woken()
        else if (await writer.write(some.messages, tellBegin)) await remove(some)
      } catch (error) {
        if (limit.admit('spool') !== undefined) log.error({ error: String(error) }, 'cannot read the spool')
        // What cannot be read cannot find out whether the database is back.
        await parts.store.ping().then(availability.answers, () => undefined)
        await pause(LAST_RETRY_MS, signal)
      }
    }
  }

  const woken = (): Promise<void> =>
    new Promise((resolve) => {
      wake = resolve
      if (isDue || signal.aborted) resolve()
    })

  const tellBegin = (): void => {
    if (begun !== undefined) return
    const isTold = limit.admit('begin') !== undefined
    begun = { isTold, atMs: performance.now(), ended: tally.replayed + tally.replayRefused }
    if (!isTold) return
    const { spoolMessages: messages, spoolBytes: bytes } = tally
    log.info({ messages, bytes }, 'writing what waits in the spool to the database')
  }

  const remove = async (some: SpooledMessages): Promise<void> => {
    for (const content of some.unreadable) {
      log.error('a damaged row of the spool; it is kept with the messages that the database refused')
      if (!(await untilKept(() => parts.deadLetters.addUnreadable(content), signal))) return
    }
    await spool.remove(some)
    if (tally.spoolMessages > 0) return
    marks.clear()
    if (begun?.isTold === true) {
      const messages = tally.replayed + tally.replayRefused - begun.ended
      log.info({ messages, ms: Math.round(performance.now() - begun.atMs) }, 'the spool is empty')
    }
    begun = undefined
  }

  const nextMessages = async (): Promise<SpooledMessages | undefined> => {
    // What hangs may commit yet, and must not do so after what came later.
    while (availability.hasHangingWrites && !signal.aborted) await pause(FIRST_RETRY_MS, signal)
    for (let rests = 0; rests < MOST_RESTS && !signal.aborted; rests++) {
      if (availability.takeLongestWaitMs() <= LIVE_PATIENCE_MS) break
      await pause(REST_MS, signal)
    }
    return spool.oldest(parts.maxBatch)
  }

  void run()
  return {
    wake() {
      isDue = true
      wake()
    },
    settled: writer.settled,
    stop() {
      stopping.abort()
      wake()
    },
  }
}

/**
 * Writes messages until each is stored or refused. How many go at once is halved with every failure, and
 * doubled with every success: so the one refused message is found, and no batch stays too large for a
 * database that is slow.
 */
function createReplayWriter(parts: ReplayParts, signal: AbortSignal) {
  const { store, availability, marks, tally, log, maxBatch } = parts
  let atOnce = maxBatch
  let retryMs = FIRST_RETRY_MS
  let failures = 0
  let commitsAtFailure = 0
  let underWay: Promise<unknown> = Promise.resolve()

  const attempt = (messages: readonly DeviceMessage[]): Promise<StoreError | undefined> => {
    const batch = marks.apply(mergeBatch(messages, parts.keepsHistory))
    const ended = store
      .write({ ...batch, mayBeLate: true }, () => true)
      .then(
        () => undefined,
        (error: unknown) =>
          error instanceof StoreError ? error : new StoreError('STORE_UNAVAILABLE', String(error)),
      )
    underWay = ended
    return ended
  }

  const stored = (messages: readonly DeviceMessage[]): void => {
    tally.replayed += messages.length
    for (const { report } of messages) tally.readings += report.readings.length
    retryMs = FIRST_RETRY_MS
    failures = 0
    atOnce = Math.min(atOnce * 2, maxBatch)
  }

  const refused = async (message: DeviceMessage, error: StoreError): Promise<boolean> => {
    log.warn({ device: message.device.deviceId, error: error.message }, 'the database refused a message')
    if (!(await untilKept(() => parts.deadLetters.add(message, error.message), signal))) return false
    tally.replayRefused += 1
    failures = 0
    return true
  }

  /** Whether it is this one message that the database fails on, again and again, while it stores others. */
  const isToBlame = (): boolean => {
    if (availability.liveCommits > commitsAtFailure) failures += 1
    commitsAtFailure = availability.liveCommits
    return failures >= MOST_FAILURES
  }

  const waitForStore = async (isOne: boolean): Promise<void> => {
    const answers = await store.ping().then(
      () => true,
      () => false,
    )
    if (answers) availability.answers() // live batches may find that it takes them
    await pause(retryMs, signal)
    // One that answers may have found the batch too large, and gets a smaller one soon.
    retryMs = answers && !isOne ? FIRST_RETRY_MS : Math.min(retryMs * 2, LAST_RETRY_MS)
  }

  /** What follows from a failure; whether the first of `count` messages is done with, as a refused one. */
  const isRefused = async (first: DeviceMessage, count: number, error: StoreError): Promise<boolean> => {
    const isContent = error.code === 'STORE_REJECTED'
    if (isContent) availability.refused()
    else availability.failed(error)
    if (count > 1) atOnce = Math.ceil(count / 2)
    const isDone = count === 1 && (isContent || isToBlame()) && (await refused(first, error))
    if (!isContent) await waitForStore(count === 1)
    return isDone
  }

  return {
    /** Calls `began` with every commit, before it is counted; `false`: the stop came first. */
    async write(messages: readonly DeviceMessage[], began: () => void): Promise<boolean> {
      let from = 0
      while (from < messages.length && !signal.aborted) {
        const some = messages.slice(from, from + atOnce)
        const [first] = some
        const error = await attempt(some)
        if (error === undefined) {
          availability.committed()
          began()
          stored(some)
          from += some.length
        } else if (first !== undefined && (await isRefused(first, some.length, error))) from += 1
      }
      return from >= messages.length
    },
    async settled(): Promise<void> {
      await underWay
    },
  }
}

/**
 * What was acknowledged is not given up for want of room: it stays in the spool, and what is behind it too.
 * `false`: the stop came first.
 */
async function untilKept(keep: () => Promise<boolean>, signal: AbortSignal): Promise<boolean> {
  while (!signal.aborted) {
    if (await keep()) return true
    await pause(LAST_RETRY_MS, signal)
  }
  return false
}

async function pause(timeMs: number, signal: AbortSignal): Promise<void> {
  await delay(timeMs, undefined, { signal }).catch(() => undefined) // aborted: whoever waits looks
}
