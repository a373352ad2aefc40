import { setImmediate as nextTurn } from 'node:timers/promises'
import { pino } from 'pino'
import { expect, onTestFinished, test, vi } from 'vitest'
import { createRateLimit } from '#src/log/rate-limit.js'
import { createTally } from '#src/metrics/tally.js'
import { DiskPersistence } from '#src/sessions/disk/disk-persistence.js'
import { startHistoryKeeper } from '#src/store/history-keeper.js'
import { openTestSessions } from '../support/sessions.js'
import { createSignal } from '../support/signal.js'

const DAY_MS = 86_400_000
const YEAR_MS = 365 * DAY_MS
const log = pino({ level: 'silent' })

/** Sets the clock of this process; what measures how long something lasts is left alone. */
function setAhead(timeMs: number): void {
  vi.useFakeTimers({ toFake: ['Date', 'setInterval', 'clearInterval'], now: Date.now() + timeMs })
  onTestFinished(() => void vi.useRealTimers())
}

test('a clock that jumps ahead by a year deletes no more from the history than has become old', async () => {
  const nowMs = Date.now()
  setAhead(YEAR_MS)
  const asked = createSignal()
  let beforeMs = 0
  const keeper = startHistoryKeeper(
    {
      newestSeen: async () => nowMs,
      async pruneHistory(before) {
        beforeMs = before
        asked.give()
        return { deleted: 0 }
      },
    },
    30,
    log,
  )
  await asked.given
  await keeper.stop()
  expect(beforeMs).toBeLessThan(nowMs - 29 * DAY_MS)
  expect(beforeMs).toBeGreaterThan(nowMs - 31 * DAY_MS)
})

test('a clock that jumps ahead by a year ends no session whose client has just left', async () => {
  setAhead(0)
  const lines: string[] = []
  const sink = pino({ base: null }, { write: (line: string) => void lines.push(line) })
  const sessions = await openTestSessions(createTally(), sink)
  if (!(sessions.persistence instanceof DiskPersistence)) throw new Error('not on disk')
  await sessions.persistence.setup({ id: 'broker', counter: 0 })
  const client = { id: 'a', clean: false }
  sessions.own?.attach(client, () => true)
  await sessions.persistence.addSubscriptions(client, [{ topic: 'some', qos: 1 }])
  sessions.own?.detach(client)
  vi.setSystemTime(Date.now() + YEAR_MS)
  vi.advanceTimersByTime(60_000)
  await sessions.close()
  await nextTurn()
  expect(lines).toEqual([])
})

test('a clock that is set lets no line of the log through before its time', () => {
  setAhead(0)
  const limit = createRateLimit(60_000, 1)
  expect(limit.admit('some')).toBe(0)
  vi.setSystemTime(Date.now() - YEAR_MS)
  expect(limit.admit('some')).toBeUndefined()
})
