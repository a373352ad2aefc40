import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { createArrivals } from '#src/broker/arrivals.js'

const LONG_MS = 60_000
const nobody = (): void => undefined

test('connections that come at once begin in their order, and others have their turn in between', async () => {
  const arrivals = createArrivals(LONG_MS)
  const begun: number[] = []
  const streams = Array.from({ length: 20 }, () => new PassThrough())
  for (const [number, stream] of streams.entries()) {
    arrivals.enter(stream, () => begun.push(number), nobody)
    stream.write('x')
  }
  const steps: number[] = []
  for (let before = 0; before < streams.length; ) {
    await nextTurn()
    if (begun.length > before) steps.push(begun.length - before)
    before = begun.length
  }
  expect(begun).toEqual([...streams.keys()])
  expect(Math.max(...steps)).toBe(2)
})

test('a connection begins when it has sent something, with all that it sent', async () => {
  const arrivals = createArrivals(LONG_MS)
  const stream = new PassThrough()
  let hasBegun = false
  const begun = new Promise<void>((resolve) => {
    const begin = (): void => {
      hasBegun = true
      resolve()
    }
    arrivals.enter(stream, begin, nobody)
  })
  for (let turn = 0; turn < 5; turn += 1) await nextTurn()
  expect(hasBegun).toBe(false)
  stream.write('first ')
  stream.end('second')
  await begun
  const received: unknown[] = []
  stream.on('readable', () => received.push(stream.read()))
  await once(stream, 'end')
  expect(received.filter((chunk) => chunk !== null).join('')).toBe('first second')
})

test('one that has closed before its turn does not begin', async () => {
  const arrivals = createArrivals(LONG_MS)
  const begun: string[] = []
  const [gone, last] = [new PassThrough(), new PassThrough()]
  arrivals.enter(gone, () => begun.push('gone'), nobody)
  gone.write('x')
  await once(gone, 'readable')
  gone.destroy(new Error('reset by its peer'))
  await new Promise<void>((resolve) => {
    arrivals.enter(last, resolve, nobody)
    last.write('x')
  })
  expect(begun).toEqual([])
})

test('one that sends nothing is destroyed, and its silence told', async () => {
  const stream = new PassThrough()
  const closed = once(stream, 'close')
  const told: string[] = []
  createArrivals(1).enter(stream, nobody, () => told.push('silent'))
  await closed
  expect(told).toEqual(['silent'])
})

test('a stop destroys those that wait, and those that come after it', async () => {
  const arrivals = createArrivals(LONG_MS)
  const [silent, ready, late] = [new PassThrough(), new PassThrough(), new PassThrough()]
  const begun: string[] = []
  arrivals.enter(silent, () => begun.push('silent'), nobody)
  arrivals.enter(ready, () => begun.push('ready'), nobody)
  ready.write('x')
  await once(ready, 'readable')
  const closed = Promise.all([silent, ready, late].map((stream) => once(stream, 'close')))
  arrivals.stop()
  arrivals.enter(late, () => begun.push('late'), nobody)
  await closed
  expect(begun).toEqual([])
})
