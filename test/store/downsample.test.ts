import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import type { HistoryRow } from '#src/store/batch.js'
import type { Device } from '#src/store/device.js'
import { downsample } from '#src/store/downsample.js'
import { READINGS_IN_STEP } from '#src/store/page-bounds.js'
import type { Store } from '#src/store/store.js'
import { addAnyDevice, batchOf, reading } from '../support/batches.js'
import { emptyDatabase, type TestDatabase } from '../support/store-databases.js'

const timeMs = Date.parse('2026-01-01T00:00:00.000Z')
const goOn = (): void => undefined

describe.each(['mysql', 'sqlite'] as const)('History summed up in the %s store', (kind) => {
  let database: TestDatabase
  let store: Store
  beforeAll(async () => {
    database = await emptyDatabase(kind, inject('mariadbPort'))
    store = await database.open()
  })
  afterAll(async () => {
    await store?.close()
    await database?.remove()
  })

  const downsampled = (device: Device, fromMs: number, toMs: number, points: number) =>
    downsample(store, { deviceId: device.id, sensor: 'light', fromMs, toMs, points }, goOn)

  async function deviceWith(history: (device: Device) => readonly HistoryRow[]): Promise<Device> {
    const device = await addAnyDevice(store)
    const rows = history(device)
    for (let from = 0; from < rows.length; from += 5000) {
      await store.write(batchOf({ history: rows.slice(from, from + 5000) }))
    }
    return device
  }

  test('has the least, the greatest and the mean of each bucket, and none for an empty one', async () => {
    const values = [
      [-1, 9],
      [0, 1],
      [1, 2.5],
      [9, -3],
      [10, 4],
      [25, 7],
      [29, 8],
      [30, 9],
    ] as const
    const device = await deviceWith((its) => [
      ...values.map(([ms, value]) => reading(its, 'light', value, timeMs + ms)),
      reading(its, 'light', 0.5, timeMs + 9, 7),
      reading(its, 'noise', 100, timeMs + 5),
    ])
    expect(await downsampled(device, timeMs, timeMs + 30, 3)).toEqual({
      bucketMs: 10,
      buckets: [
        { fromMs: timeMs, count: 4, min: -3, max: 2.5, mean: 0.25 },
        { fromMs: timeMs + 10, count: 1, min: 4, max: 4, mean: 4 },
        { fromMs: timeMs + 20, count: 2, min: 7, max: 8, mean: 7.5 },
      ],
    })
    expect((await downsampled(device, timeMs + 11, timeMs + 25, 100)).buckets).toEqual([])
    expect((await downsampled(device, timeMs, timeMs + 30, 4)).bucketMs).toBe(8)
  })

  test('is that of every reading, over more than one step, wherever steps part a bucket or a millisecond', async () => {
    const total = READINGS_IN_STEP * 2 + 500
    // Three readings in a millisecond, which no step is a multiple of.
    const device = await deviceWith((its) =>
      Array.from({ length: total }, (_, index) =>
        reading(its, 'light', index, timeMs + Math.floor(index / 3), index % 3),
      ),
    )
    const toMs = timeMs + Math.ceil(total / 3)
    for (const points of [1, 7, 1000]) {
      const { bucketMs, buckets } = await downsampled(device, timeMs, toMs, points)
      expect(buckets.length).toBeLessThanOrEqual(points)
      let first = 0
      for (const [index, bucket] of buckets.entries()) {
        const count = Math.min(bucketMs * 3, total - first)
        expect(bucket).toMatchObject({
          fromMs: timeMs + index * bucketMs,
          count,
          min: first,
          max: first + count - 1,
        })
        expect(bucket.mean).toBeCloseTo(first + (count - 1) / 2, 6)
        first += count
      }
      expect(first).toBe(total)
    }
  })

  test('is a number of the greatest numbers there are', async () => {
    const greatest = Number.MAX_VALUE
    const device = await deviceWith((its) =>
      Array.from({ length: 10 }, (_, index) => reading(its, 'light', greatest, timeMs + index)),
    )
    const { buckets } = await downsampled(device, timeMs, timeMs + 10, 1)
    expect(buckets).toEqual([{ fromMs: timeMs, count: 10, min: greatest, max: greatest, mean: greatest }])
  })

  test('ends for more readings of one millisecond than a step takes', async () => {
    const device = await deviceWith((its) => [
      ...Array.from({ length: READINGS_IN_STEP + 1 }, (_, index) =>
        reading(its, 'light', 1, timeMs + 5, index),
      ),
      reading(its, 'light', 2, timeMs + 6),
    ])
    const { buckets } = await downsampled(device, timeMs, timeMs + 10, 10)
    expect(buckets.map(({ count }) => count)).toEqual([READINGS_IN_STEP, 1])
  })

  test('ends when nobody waits for it any more', async () => {
    const device = await addAnyDevice(store)
    const leave = (): never => {
      throw new Error('left')
    }
    const range = { deviceId: device.id, sensor: 'light', fromMs: 0, toMs: 1, points: 1 }
    await expect(downsample(store, range, leave)).rejects.toThrow('left')
  })
})
