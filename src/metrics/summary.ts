import type { Logger } from '../log/logger.js'
import { countWaiting, sumOf, type Tally } from './tally.js'

const SUMMARY_INTERVAL_MS = 300_000

/** What writes summaries. */
export interface Summary {
  /** What the log would say now: its rates are since the last one there. */
  now(): Readonly<Record<string, unknown>>
  stop(): void
}

/** Writes a summary to the log every 5 minutes, and a last one when it is stopped. */
export function startSummary(tally: Tally, log: Logger): Summary {
  const mark = (): SummaryMark => ({
    receivedAt: tally.received,
    storedAt: tally.stored,
    timeMs: performance.now(),
  })
  let before = mark()
  const now = (): Readonly<Record<string, unknown>> => summarize(tally, before, performance.now())
  const write = (): void => {
    log.info(now(), 'summary')
    before = mark()
  }
  const timer = setInterval(write, SUMMARY_INTERVAL_MS)
  return {
    now,
    stop() {
      clearInterval(timer)
      write()
    },
  }
}

/** Where the counts stood at the summary before. */
export interface SummaryMark {
  readonly receivedAt: number
  readonly storedAt: number
  /** Of a clock that nobody sets. */
  readonly timeMs: number
}

/** What a summary says: totals since the start, and rates a second since `before`. */
export function summarize(
  tally: Tally,
  before: SummaryMark,
  nowMs: number,
): Readonly<Record<string, unknown>> {
  const seconds = Math.max((nowMs - before.timeMs) / 1000, 0.001)
  const perSecond = (count: number): number => Math.round((count / seconds) * 10) / 10
  const ended = tally.received === 0 ? 1 : (tally.stored + tally.spooled) / tally.received
  return {
    uptimeSeconds: Math.floor(process.uptime()),
    connections: tally.connections,
    connectionsTotal: tally.connectionsTotal,
    connectionsRefused: sumOf(tally.connectionsRefused),
    loginsFailed: sumOf(tally.loginsRefused),
    devicesConnected: tally.devicesConnected,
    wentOffline: Object.fromEntries(tally.wentOffline),
    received: tally.received,
    stored: tally.stored,
    spooled: tally.spooled,
    replayed: tally.replayed,
    replayRefused: tally.replayRefused,
    spool: {
      messages: tally.spoolMessages,
      bytes: tally.spoolBytes,
      oldestAt: toIso(tally.spoolOldestMs),
    },
    waiting: countWaiting(tally),
    databaseAwaySince: toIso(tally.storeFailsSinceMs),
    nothingAcknowledgedSince: toIso(tally.stuckSinceMs),
    rejected: Object.fromEntries(tally.rejected),
    dropped: tally.dropped,
    denied: tally.publishesDenied,
    protocolErrors: Object.fromEntries(tally.protocolErrors),
    queueDropped: tally.queueDropped,
    slowDropped: tally.slowDropped,
    cutOff: Object.fromEntries(tally.cutOff),
    retainedRefused: tally.retainedRefused,
    successRate: `${(ended * 100).toFixed(2)} %`,
    lastMessageAt: toIso(tally.lastReceivedAtMs),
    receivedPerSecond: perSecond(tally.received - before.receivedAt),
    storedPerSecond: perSecond(tally.stored - before.storedAt),
    messagesPerBatch: tally.batches === 0 ? 0 : Math.round((tally.stored / tally.batches) * 10) / 10,
  }
}

function toIso(timeMs: number | undefined): string | null {
  return timeMs === undefined ? null : new Date(timeMs).toISOString()
}
