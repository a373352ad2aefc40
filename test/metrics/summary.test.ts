import { PassThrough } from 'node:stream'
import { pino } from 'pino'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { startSummary, summarize } from '#src/metrics/summary.js'
import { countReason, createTally } from '#src/metrics/tally.js'

const MINUTE_MS = 60_000

describe('The summary', () => {
  it('says what came, what became of it, and how fast it comes', () => {
    const tally = createTally()
    Object.assign(tally, {
      received: 2000,
      stored: 1900,
      spooled: 90,
      replayed: 50,
      replayRefused: 1,
      spoolMessages: 39,
      spoolBytes: 9000,
      spoolOldestMs: Date.parse('2026-11-22T06:29:00Z'),
      storeFailsSinceMs: Date.parse('2026-11-22T06:28:00Z'),
      stuckSinceMs: Date.parse('2026-11-22T06:31:00Z'),
      dropped: 3,
      batches: 100,
      connections: 5,
      connectionsTotal: 9,
      publishesDenied: 4,
      protocolErrors: new Map([['MQTT-3.1.0-2', 2]]),
      queueDropped: 6,
      slowDropped: 8,
      retainedRefused: 7,
      devicesConnected: 3,
      lastReceivedAtMs: Date.parse('2026-11-22T06:30:00Z'),
    })
    for (const reason of ['MAX_CONNECTIONS', 'certificate']) countReason(tally.connectionsRefused, reason)
    countReason(tally.loginsRefused, 'wrong password')
    for (const reason of ['bad json', 'bad json', 'no sensor']) countReason(tally.rejected, reason)
    for (const cause of ['disconnected', 'disconnected', 'silent']) countReason(tally.wentOffline, cause)
    countReason(tally.cutOff, 'took nothing')
    const before = { receivedAt: 500, storedAt: 400, timeMs: 0 }
    expect(summarize(tally, before, 5 * MINUTE_MS)).toEqual({
      uptimeSeconds: expect.any(Number),
      connections: 5,
      connectionsTotal: 9,
      connectionsRefused: 2,
      loginsFailed: 1,
      devicesConnected: 3,
      wentOffline: { disconnected: 2, silent: 1 },
      received: 2000,
      stored: 1900,
      spooled: 90,
      replayed: 50,
      replayRefused: 1,
      spool: { messages: 39, bytes: 9000, oldestAt: '2026-11-22T06:29:00.000Z' },
      waiting: 4,
      databaseAwaySince: '2026-11-22T06:28:00.000Z',
      nothingAcknowledgedSince: '2026-11-22T06:31:00.000Z',
      rejected: { 'bad json': 2, 'no sensor': 1 },
      dropped: 3,
      denied: 4,
      protocolErrors: { 'MQTT-3.1.0-2': 2 },
      queueDropped: 6,
      slowDropped: 8,
      cutOff: { 'took nothing': 1 },
      retainedRefused: 7,
      successRate: '99.50 %',
      lastMessageAt: '2026-11-22T06:30:00.000Z',
      receivedPerSecond: 5,
      storedPerSecond: 5,
      messagesPerBatch: 19,
    })
  })

  it('of nothing has no division by zero in it', () => {
    const summary = summarize(createTally(), { receivedAt: 0, storedAt: 0, timeMs: 7 }, 7)
    expect(summary).toMatchObject({
      rejected: {},
      spool: { messages: 0, bytes: 0, oldestAt: null },
      successRate: '100.00 %',
      lastMessageAt: null,
      receivedPerSecond: 0,
      storedPerSecond: 0,
      messagesPerBatch: 0,
    })
  })

  it('is logged every 5 minutes with the rates since the one before, and once more when it is stopped', () => {
    vi.useFakeTimers()
    onTestFinished(() => void vi.useRealTimers())
    const sink = new PassThrough()
    const lines = (): unknown[] =>
      String(sink.read() ?? '')
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line))
    const tally = createTally()
    const summary = startSummary(tally, pino(sink))
    tally.received = 300
    tally.stored = 150
    vi.advanceTimersByTime(5 * MINUTE_MS - 1)
    expect(lines()).toEqual([])
    vi.advanceTimersByTime(1)
    expect(lines()).toMatchObject([{ msg: 'summary', level: 30, receivedPerSecond: 1, storedPerSecond: 0.5 }])
    tally.received = 900
    vi.advanceTimersByTime(5 * MINUTE_MS)
    expect(lines()).toMatchObject([{ received: 900, receivedPerSecond: 2, storedPerSecond: 0 }])
    summary.stop()
    expect(lines()).toMatchObject([{ msg: 'summary', received: 900 }])
    vi.advanceTimersByTime(60 * MINUTE_MS)
    expect(lines()).toEqual([])
  })
})
