import { beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { createPace } from '#src/store/pace.js'

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  onTestFinished(() => void vi.useRealTimers())
})

/** How long a pause was, ms. */
async function timed(pause: Promise<void>): Promise<number> {
  const startMs = performance.now()
  const ended = pause.then(() => performance.now() - startMs)
  await vi.runAllTimersAsync()
  return ended
}

test('the steps of a work are as far apart as lets them end in time', async () => {
  const pause = createPace().spread(4000)
  expect(await timed(pause(3))).toBe(1000)
  vi.advanceTimersByTime(1000)
  expect(await timed(pause(1))).toBe(1000)
})

test('work that takes its time and longer makes no pauses', async () => {
  const pause = createPace().spread(4000)
  vi.advanceTimersByTime(4000)
  expect(await timed(pause(1))).toBe(0)
})

test('nothing pauses while somebody waits for the work, and what pauses then goes on', async () => {
  const pace = createPace()
  const pause = pace.spread(4000)
  const paused = pause(1)
  const [relax, relaxToo] = [pace.hurry(), pace.hurry()]
  await paused
  relax()
  expect(await timed(pause(1))).toBe(0)
  relaxToo()
  expect(await timed(pause(1))).toBe(2000)
})
