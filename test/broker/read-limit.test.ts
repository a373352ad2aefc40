import { generate, type IPublishPacket } from 'mqtt-packet'
import { afterAll, beforeAll, expect, inject, test, vi } from 'vitest'
import type { Store } from '#src/store/store.js'
import { delayed, startTestBroker } from '../support/broker.js'
import { connectRaw, type RawClient } from '../support/raw-client.js'
import { createSignal } from '../support/signal.js'
import { emptyDatabase, type TestDatabase } from '../support/store-databases.js'

/** What one client, and what all together, may have on their way. */
const OF_ONE = 4 * 1024 * 1024
const OF_ALL = 128 * 1024 * 1024

/** Round trips in which a server that reads on has read much more. */
const ROUND_TRIPS = 200

let database: TestDatabase
let store: Store

beforeAll(async () => {
  database = await emptyDatabase('sqlite', inject('mariadbPort'))
  store = await database.open()
})
afterAll(async () => {
  await store.close()
  await database.remove()
})

const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1)

/** A report of so many bytes. */
const report = (name: string, messageId: number, bytes = 0): IPublishPacket => ({
  ...{ cmd: 'publish', topic: `devices/${name}/data`, messageId, qos: 1, dup: false, retain: false },
  payload: `{"value":${messageId}}`.padEnd(bytes),
})

async function ping(client: RawClient, times: number): Promise<void> {
  for (const count of numbers(times)) {
    client.send({ cmd: 'pingreq' })
    await client.count('pingresp', count)
  }
}

test('a client is not read while 4 MiB of it are on their way, and has all its acknowledgements in the end', async () => {
  const { given, give } = createSignal()
  const { port, tally } = await startTestBroker(delayed(store, () => given))
  const client = await connectRaw(port)
  const [count, bytes] = [60, 262_144]
  client.send(...numbers(count).map((id) => report('large', id, bytes)))
  await vi.waitFor(() => expect(tally.received * bytes).toBeGreaterThanOrEqual(OF_ONE - bytes), 20_000)
  await ping(await connectRaw(port), ROUND_TRIPS)
  expect(tally.received * bytes).toBeLessThanOrEqual(OF_ONE + bytes)
  give()
  const acknowledged = await client.count('puback', count)
  expect(acknowledged.map(({ messageId }) => messageId)).toEqual(numbers(count))
}, 60_000)

test('what was read together with a publish counts as well, for it is kept together', async () => {
  const { given, give } = createSignal()
  const { port, tally } = await startTestBroker(delayed(store, () => given))
  const client = await connectRaw(port)
  const [count, bytes] = [200, 300_000]
  const company: IPublishPacket = { ...report('company', 0, bytes), topic: 'company', qos: 0 }
  const { messageId: _none, ...unidentified } = company
  client.send(...numbers(count).flatMap((id) => [unidentified, report('small', id)]))
  await vi.waitFor(() => expect(tally.received).toBeGreaterThan(10), 20_000)
  await ping(await connectRaw(port), ROUND_TRIPS)
  expect(tally.received).toBeLessThanOrEqual(count / 2) // most reads bring 64 KiB, or a large message
  give()
  await client.count('puback', count)
}, 60_000)

test('clients that fill what all may have on their way are read once at a time, and take nothing from the others', async () => {
  const { given, give } = createSignal()
  const { port, tally } = await startTestBroker({
    ...store,
    async findDevice(name) {
      if (name === 'unknown') await given
      return store.findDevice(name)
    },
  })
  const modest = await connectRaw(port)
  modest.send(report('modest', 1))
  await modest.count('puback', 1) // its device is known
  const [clients, count, bytes] = [60, 4, 1_000_000]
  const packets = Buffer.concat(numbers(count).map((id) => generate(report('unknown', id, bytes))))
  const greedy = await Promise.all(numbers(clients).map(() => connectRaw(port)))
  for (const { socket } of greedy) socket.write(packets)
  await vi.waitFor(() => expect(tally.received * bytes).toBeGreaterThan(OF_ALL), 40_000)

  await ping(await connectRaw(port), ROUND_TRIPS)
  for (const window of numbers(10)) {
    modest.send(...numbers(20).map((index) => report('modest', window * 20 + index)))
    await modest.count('puback', 1 + window * 20)
  }
  expect((tally.received - 201) * bytes).toBeLessThanOrEqual(OF_ALL + clients * bytes)
  give()
  await Promise.all(greedy.map((client) => client.count('puback', count)))
  expect(tally.stored).toBe(201 + clients * count)
}, 120_000)
