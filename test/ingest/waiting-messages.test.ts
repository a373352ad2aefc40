import type { IPublishPacket } from 'mqtt-packet'
import { afterEach, beforeEach, expect, inject, test, vi } from 'vitest'
import type { Store } from '#src/store/store.js'
import { delayed, startTestBroker } from '../support/broker.js'
import { connectRaw } from '../support/raw-client.js'
import { createSignal } from '../support/signal.js'
import { emptyDatabase, type TestDatabase } from '../support/store-databases.js'

/** The queue has room for twenty batches of one. */
const ROOM = 20

let database: TestDatabase
let store: Store

beforeEach(async () => {
  database = await emptyDatabase('sqlite', inject('mariadbPort'))
  store = await database.open()
})
afterEach(async () => {
  await store.close()
  await database.remove()
})

const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1)

const publish = (messageId: number, name: string, payload: string): IPublishPacket => ({
  ...{ cmd: 'publish', topic: `devices/${name}/data`, messageId, payload },
  ...{ qos: 1, dup: false, retain: false },
})

test('messages that waited for room are stored or rejected as the others, in their order, with the time of their arrival', async () => {
  const { given, give } = createSignal()
  const { port, tally } = await startTestBroker(
    delayed(store, () => given),
    { maxBatch: 1 },
  )
  const client = await connectRaw(port)
  const count = 3 * ROOM
  const isBad = (id: number): boolean => id % 10 === 0
  client.send(...numbers(count).map((id) => publish(id, 'waits', isBad(id) ? 'no report' : `{"a":${id}}`)))
  await vi.waitFor(() => expect(tally.received).toBe(count), 20_000)
  const arrivedBeforeMs = Date.now()
  expect(client.received.filter(({ cmd }) => cmd === 'puback')).toEqual([])
  await vi.waitFor(() => expect(Date.now()).toBeGreaterThan(arrivedBeforeMs), 1000)
  give()
  const acknowledged = await client.count('puback', count)
  expect(acknowledged.map(({ messageId }) => messageId)).toEqual(numbers(count))
  const good = numbers(count).filter((id) => !isBad(id))
  const rows = await database.query(
    'SELECT value, recorded_at AS time FROM device_sensor_history ORDER BY value',
  )
  expect(rows.map(({ value }) => value)).toEqual(good)
  expect(Math.max(...rows.map(({ time }) => Number(time)))).toBeLessThanOrEqual(arrivedBeforeMs)
  expect(tally).toMatchObject({ stored: good.length, rejected: new Map([['bad-json', count - good.length]]) })
}, 60_000)

test('no device is registered for what is no report', async () => {
  const { port, tally } = await startTestBroker(store)
  const client = await connectRaw(port)
  client.send(publish(1, 'nobody', 'no report'), publish(2, 'somebody', '{"a":1}'))
  await client.count('puback', 2)
  expect(await database.query('SELECT device_id FROM device_main')).toEqual([{ device_id: 'somebody' }])
  expect(tally).toMatchObject({ stored: 1, rejected: new Map([['bad-json', 1]]) })
})
