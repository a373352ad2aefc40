import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { createBatcher } from '#src/ingest/batcher.js'
import { createSignal } from '../support/signal.js'

interface Item {
  readonly key: number
  readonly bytes: number
  readonly name: string
}

const item = (key: number, name: string, bytes = 1): Item => ({ key, bytes, name })
const names = (batch: readonly Item[]): string => batch.map(({ name }) => name).join('')

test('items that come together are written together', async () => {
  const written: string[] = []
  const done = createSignal()
  const batcher = createBatcher<Item>({
    write: async (batch) => {
      written.push(names(batch))
      done.give()
    },
    lanes: 1,
    flushAfterMs: 5,
    maxBatch: 10,
    maxBatchBytes: 1000,
    maxQueued: 10,
    maxQueuedBytes: 1000,
  })
  for (const name of 'abc') batcher.offer(() => item(1, name))
  await done.given
  expect(written).toEqual(['abc'])
})

test('a full batch does not wait for company', async () => {
  const done = createSignal()
  const batcher = createBatcher<Item>({
    write: async () => done.give(),
    lanes: 1,
    flushAfterMs: 60_000,
    maxBatch: 2,
    maxBatchBytes: 1000,
    maxQueued: 10,
    maxQueuedBytes: 1000,
  })
  batcher.offer(() => item(1, 'a'))
  batcher.offer(() => item(1, 'b'))
  await done.given
  batcher.stop()
})

test('lanes write side by side, but never two batches of one key', async () => {
  const begun: string[] = []
  const ends: (() => void)[] = []
  const batcher = createBatcher<Item>({
    write: (batch) => {
      begun.push(names(batch))
      return new Promise((resolve) => {
        ends.push(resolve)
      })
    },
    lanes: 2,
    flushAfterMs: 60_000,
    maxBatch: 1,
    maxBatchBytes: 1000,
    maxQueued: 10,
    maxQueuedBytes: 1000,
  })
  for (const [key, name] of [
    [0, 'a'],
    [1, 'b'],
    [0, 'c'],
    [2, 'd'],
  ] as const)
    batcher.offer(() => item(key, name))
  expect(begun).toEqual(['a', 'b'])
  ends[0]?.()
  await nextTurn()
  expect(begun).toEqual(['a', 'b', 'c'])
  ends[2]?.()
  await nextTurn()
  expect(begun).toEqual(['a', 'b', 'c', 'd'])
  batcher.stop()
})

test.each([
  ['items', { maxQueued: 2, maxQueuedBytes: 1000 }],
  ['bytes', { maxQueued: 1000, maxQueuedBytes: 2 }],
])('the bound on %s turns away offers, and lets in what waits in its order', async (_what, bounds) => {
  const admitted: string[] = []
  const ends: (() => void)[] = []
  const batcher = createBatcher<Item>({
    write: () => new Promise((resolve) => ends.push(resolve)),
    lanes: 1,
    flushAfterMs: 60_000,
    maxBatch: 2,
    maxBatchBytes: 1000,
    ...bounds,
  })
  expect(batcher.offer(() => item(1, 'a'))).toBe(true)
  expect(batcher.offer(() => item(1, 'b'))).toBe(true)
  expect(batcher.offer(() => item(1, 'c'))).toBe(false)
  for (const name of 'cde')
    batcher.enqueue(
      () => item(1, name),
      () => admitted.push(name),
    )
  expect(admitted).toEqual([])
  ends[0]?.()
  await nextTurn()
  expect(admitted).toEqual(['c', 'd'])
  expect(batcher.offer(() => item(1, 'f'))).toBe(false) // e was here first
  ends[1]?.()
  await nextTurn()
  expect(admitted).toEqual(['c', 'd', 'e'])
  batcher.stop()
})

test('what waits is made when there is room for it, and takes none where nothing comes of it', async () => {
  const made: string[] = []
  const written: string[] = []
  const ends: (() => void)[] = []
  const batcher = createBatcher<Item>({
    write: (batch) => {
      written.push(names(batch))
      return new Promise((resolve) => ends.push(resolve))
    },
    lanes: 1,
    flushAfterMs: 60_000,
    maxBatch: 1,
    maxBatchBytes: 1000,
    maxQueued: 1,
    maxQueuedBytes: 1000,
  })
  const make = (name: string) => () => {
    made.push(name)
    return name === 'b' ? undefined : item(1, name)
  }
  expect(batcher.offer(make('a'))).toBe(true)
  for (const name of 'bcd') batcher.enqueue(make(name), () => undefined)
  expect(batcher.offer(make('e'))).toBe(false)
  expect(made).toEqual(['a'])
  ends[0]?.()
  await nextTurn()
  expect(made).toEqual(['a', 'b', 'c'])
  expect(written).toEqual(['a', 'c'])
  batcher.stop()
})

test('a batch ends at its bound on bytes, but holds one item of any size', async () => {
  const written: string[] = []
  const done = createSignal()
  const batcher = createBatcher<Item>({
    write: async (batch) => {
      written.push(names(batch))
      if (written.length === 3) done.give()
    },
    lanes: 1,
    flushAfterMs: 1,
    maxBatch: 10,
    maxBatchBytes: 10,
    maxQueued: 10,
    maxQueuedBytes: 1000,
  })
  batcher.offer(() => item(1, 'a', 6))
  batcher.offer(() => item(1, 'b', 4))
  batcher.offer(() => item(1, 'c', 50))
  batcher.offer(() => item(1, 'd', 1))
  await done.given
  expect(written).toEqual(['ab', 'c', 'd'])
})
