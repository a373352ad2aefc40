import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import type { HistoryPoint } from '#src/store/batch.js'
import type { Device } from '#src/store/device.js'
import type { PruneCursor, Store } from '#src/store/store.js'
import { addAnyDevice, batchOf, reading } from '../support/batches.js'
import { emptyDatabase, type TestDatabase } from '../support/store-databases.js'

const timeMs = Date.parse('2026-01-01T00:00:00.000Z')

describe.each(['mysql', 'sqlite'] as const)('The history in the %s store', (kind) => {
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

  const readAll = (device: Device, sensor: string, limit = 10_000): Promise<readonly HistoryPoint[]> =>
    store.readHistory({ deviceId: device.id, sensor, fromMs: timeMs - 1e10, toMs: timeMs + 1e10, limit })

  test('gives the readings of a range, its end excluded, oldest first, and no more than asked for', async () => {
    const device = await addAnyDevice(store)
    const history = [3, 1, 2, 0].map((value) => reading(device, 'light', value, timeMs + value))
    await store.write(batchOf({ history: [...history, reading(device, 'noise', 9, timeMs + 1)] }))
    const range = { deviceId: device.id, sensor: 'light', fromMs: timeMs + 1, toMs: timeMs + 3 }
    expect(await store.readHistory({ ...range, limit: 10 })).toEqual([
      { recordedAtMs: timeMs + 1, value: 1 },
      { recordedAtMs: timeMs + 2, value: 2 },
    ])
    expect(await store.readHistory({ ...range, limit: 1 })).toEqual([{ recordedAtMs: timeMs + 1, value: 1 }])
    expect(await store.readHistory({ ...range, deviceId: 0, limit: 10 })).toEqual([])
  })

  test('gives every number back as it was', async () => {
    const device = await addAnyDevice(store)
    const values = [
      0.1,
      0.1 + 0.2,
      -2.5e-7,
      2 ** 53 + 2,
      1e21,
      123456789012345680000,
      5e-324,
      Number.MAX_VALUE,
    ]
    await store.write(
      batchOf({ history: values.map((value, index) => reading(device, 'n', value, timeMs + index)) }),
    )
    expect((await readAll(device, 'n')).map(({ value }) => value)).toEqual(values)
  })

  /** Walks to the end, each step deleting at most `limit` rows; what every step deleted. */
  async function prune(limit: number): Promise<number[]> {
    const steps: number[] = []
    let cursor: PruneCursor | undefined
    do {
      const step = await store.pruneHistory(timeMs, limit, cursor)
      steps.push(step.deleted)
      cursor = step.cursor
      if (steps.length > 1000) throw new Error('the walk does not end')
    } while (cursor !== undefined)
    return steps
  }

  test.each([1, 3, 4, 7, 1000])('is pruned of all old rows and no other, %i at a time', async (limit) => {
    const devices = [await addAnyDevice(store), await addAnyDevice(store), await addAnyDevice(store)]
    const sensors = ['_', 'a', 'a1', 'b']
    const ages = [-2000, -1000, -1, 0, 1]
    await store.write(
      batchOf({
        history: devices.flatMap((device) =>
          sensors.flatMap((sensor) => ages.map((age, index) => reading(device, sensor, index, timeMs + age))),
        ),
      }),
    )
    const steps = await prune(limit)
    expect(Math.max(...steps)).toBeLessThanOrEqual(limit)
    expect(steps.reduce((sum, deleted) => sum + deleted)).toBe(3 * 4 * 3)
    for (const device of devices) {
      for (const sensor of sensors) {
        expect((await readAll(device, sensor)).map((point) => point.value)).toEqual([3, 4])
      }
    }
    expect(await prune(limit)).not.toContainEqual(expect.not.closeTo(0))
  })

  test('is pruned over more devices and sensors than one step looks at', async () => {
    const device = await addAnyDevice(store)
    const names = Array.from({ length: 180 }, (_, index) => `sensor_${String(index).padStart(3, '0')}`)
    const history = names.flatMap((name, index) => [
      reading(device, name, 1, timeMs + 5),
      ...(index % 60 === 59 ? [reading(device, name, 0, timeMs - 5)] : []),
    ])
    await store.write(batchOf({ history }))
    const steps = await prune(100)
    expect(steps.length).toBeGreaterThan(3)
    expect(steps.reduce((sum, deleted) => sum + deleted)).toBe(3)
    expect(await readAll(device, 'sensor_179')).toEqual([{ recordedAtMs: timeMs + 5, value: 1 }])
  })

  test('is pruned of many readings of one millisecond, a few at a time', async () => {
    const device = await addAnyDevice(store)
    const history = Array.from({ length: 10 }, (_, index) =>
      reading(device, 'light', index, timeMs - 1, index),
    )
    await store.write(batchOf({ history }))
    const steps = await prune(4)
    expect(steps.reduce((sum, deleted) => sum + deleted)).toBe(10)
    expect(await readAll(device, 'light')).toEqual([])
  })

  test('is read and pruned along its primary key', async () => {
    const device = await addAnyDevice(store)
    const rows = Array.from({ length: 2000 }, (_, index) =>
      reading(device, index % 2 === 0 ? 'light' : 'noise', index, timeMs + index),
    )
    await store.write(batchOf({ history: rows }))
    const where = `device_id = ${device.id} AND sensor_name = 'light'`
    if (kind === 'mysql') {
      await database.query('ANALYZE TABLE device_sensor_history')
      const range = `recorded_at >= '2026-01-01 08:00:00' AND recorded_at < '2026-01-01 08:00:00.100'`
      const [plan] = await database.query(
        `EXPLAIN SELECT recorded_at, value FROM device_sensor_history WHERE ${where} AND ${range}
         ORDER BY recorded_at, discriminator LIMIT 100`,
      )
      expect(plan).toMatchObject({ type: 'range', key: 'PRIMARY' })
      expect(Number(plan?.['rows'])).toBeLessThanOrEqual(100)
      expect(String(plan?.['Extra'])).not.toContain('filesort')
    } else {
      const [plan] = await database.query(
        `EXPLAIN QUERY PLAN SELECT recorded_at, value FROM device_sensor_history WHERE ${where}
         AND recorded_at >= 0 AND recorded_at < 1 ORDER BY recorded_at, discriminator LIMIT 100`,
      )
      expect(plan?.['detail']).toBe(
        'SEARCH device_sensor_history USING PRIMARY KEY ' +
          '(device_id=? AND sensor_name=? AND recorded_at>? AND recorded_at<?)',
      )
    }
  })
})
