import { setTimeout as delay } from 'node:timers/promises'
import type { IPublishPacket, Packet } from 'mqtt-packet'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import type { Store } from '#src/store/store.js'
import { StoreError } from '#src/store/store-error.js'
import { delayed, startTestBroker } from '../support/broker.js'
import { connectRaw } from '../support/raw-client.js'
import { createSignal } from '../support/signal.js'
import { emptyDatabase, type TestDatabase } from '../support/store-databases.js'

const isPublish = (packet: Packet): packet is IPublishPacket => packet.cmd === 'publish'

function publish(
  messageId: number,
  topic: string,
  payload: object | string,
  qos: 0 | 1 | 2 = 1,
): IPublishPacket {
  const text = typeof payload === 'string' ? payload : JSON.stringify(payload)
  return { cmd: 'publish', messageId, topic, payload: text, qos, dup: false, retain: false }
}

const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1)

describe.each(['mysql', 'sqlite'] as const)('with %s', (kind) => {
  let database: TestDatabase
  let store: Store

  beforeAll(async () => {
    database = await emptyDatabase(kind, inject('mariadbPort'))
    store = await database.open()
  })
  afterAll(async () => {
    await store.close()
    await database.remove()
  })

  const historyOf = async (deviceId: string): Promise<readonly number[]> => {
    const rows = await database.query(
      `SELECT value FROM device_sensor_history h JOIN device_main d ON d.id = h.device_id
       WHERE d.device_id = '${deviceId}' ORDER BY value`,
    )
    return rows.map(({ value }) => Number(value))
  }

  test.each([1, 2] as const)(
    'a QoS %i acknowledgement comes after the commit, which takes 500 ms',
    async (qos) => {
      let committedAtMs = 0
      const slow: Store = {
        ...store,
        async write(batch) {
          await delay(500)
          await store.write(batch)
          committedAtMs = performance.now()
        },
      }
      const { port } = await startTestBroker(slow)
      const client = await connectRaw(port)
      const sentAtMs = performance.now()
      client.send(publish(1, `devices/slow-${qos}/data`, { a: 1 }, qos))
      await client.count(qos === 1 ? 'puback' : 'pubrec', 1)
      expect(performance.now()).toBeGreaterThanOrEqual(committedAtMs)
      expect(committedAtMs - sentAtMs).toBeGreaterThanOrEqual(499)
      expect(await historyOf(`slow-${qos}`)).toEqual([1])
    },
  )

  test('1,000 pipelined publishes of one client take a few batches of a store that takes 500 ms', async () => {
    let batches = 0
    const { port } = await startTestBroker(
      delayed(store, () => {
        batches += 1
        return delay(500)
      }),
    )
    const client = await connectRaw(port)
    client.send(...numbers(1000).map((value) => publish(value, 'devices/pipelined/data', { a: value })))
    const acknowledged = await client.count('puback', 1000)
    expect(acknowledged.map(({ messageId }) => messageId)).toEqual(numbers(1000))
    expect(await historyOf('pipelined')).toEqual(numbers(1000))
    expect(batches).toBeLessThanOrEqual(5)
  })

  test('[MQTT-4.6.0-2] acknowledgements leave in the order of the publishes, whatever each of them waits for', async () => {
    const { port } = await startTestBroker(
      delayed(store, () => delay(Math.random() * 20)),
      { flushAfterMs: 1, maxBatch: 3 },
    )
    const client = await connectRaw(port)
    const topics = [
      'devices/order-a/data',
      'chat',
      'devices/order-b/data',
      '$SYS/denied',
      'devices/order-c/data',
    ]
    const packets = numbers(300).map((value) =>
      publish(value, topics[value % topics.length] ?? '', value % 7 === 0 ? 'no JSON' : { a: value }),
    )
    client.send(...packets)
    const acknowledged = await client.count('puback', 300)
    expect(acknowledged.map(({ messageId }) => messageId)).toEqual(numbers(300))
  })

  test('[MQTT-4.6.0-5] a subscriber sees a topic’s messages in order, and the newest reading wins', async () => {
    const { port } = await startTestBroker(
      delayed(store, () => delay(Math.random() * 20)),
      { flushAfterMs: 1, maxBatch: 5 },
    )
    const subscriber = await connectRaw(port)
    subscriber.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'devices/+/data', qos: 0 }] })
    await subscriber.count('suback', 1)
    const publisher = await connectRaw(port)
    const devices = numbers(8).map((device) => `${kind}-newest-${device}`)
    const qosOf = (value: number) => (value % 2 === 0 ? 1 : 2)
    for (const value of numbers(40)) {
      publisher.send(
        ...devices.map((device, index) =>
          publish(value * 10 + index, `devices/${device}/data`, { a: value }, qosOf(index)),
        ),
      )
    }
    await subscriber.count('publish', 320)
    const delivered = new Map<string, number[]>()
    for (const packet of subscriber.received.filter(isPublish)) {
      const { a } = JSON.parse(packet.payload.toString())
      delivered.set(packet.topic, [...(delivered.get(packet.topic) ?? []), a])
    }
    for (const device of devices) {
      expect(delivered.get(`devices/${device}/data`)).toEqual(numbers(40))
      const found = await store.findDevice(device)
      const report = await store.reportDevice(found?.id ?? 0)
      expect(report?.sensors).toMatchObject([{ sensor_name: 'a', sensor_value: '40' }])
      expect(report?.last_report_data).toMatchObject({ sensors: { a: { value: 40 } } })
    }
  })

  test('[MQTT-4.3.3-2] a QoS 2 retransmission is stored and delivered once, before and after the commit', async () => {
    const committing = createSignal()
    const { port } = await startTestBroker(delayed(store, () => committing.given))
    const subscriber = await connectRaw(port)
    subscriber.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'devices/+/data', qos: 0 }] })
    await subscriber.count('suback', 1)
    const session = { clientId: `twice-${kind}`, clean: false }
    const first = await connectRaw(port, session)
    const message = publish(7, `devices/twice-${kind}/data`, { a: 5 }, 2)
    first.send(message)
    first.socket.destroy()
    const second = await connectRaw(port, session)
    second.send({ ...message, dup: true })
    committing.give()
    await second.count('pubrec', 1)
    second.send({ ...message, dup: true })
    await second.count('pubrec', 2)
    second.send({ cmd: 'pubrel', messageId: 7 })
    await second.count('pubcomp', 1)
    second.send(message) // its identifier is free again: a new message
    await second.count('pubrec', 3)
    expect(await historyOf(`twice-${kind}`)).toEqual([5, 5])
    await subscriber.count('publish', 2)
  })

  test('[MQTT-3.1.2-6] a packet identifier of a clean session that ended names another message in the next', async () => {
    const committing = createSignal()
    const { port } = await startTestBroker(delayed(store, () => committing.given))
    const session = { clientId: `clean-${kind}`, clean: true }
    const message = (value: number) => publish(1, `devices/clean-${kind}/data`, { a: value }, 2)
    const first = await connectRaw(port, session)
    first.send(message(1), { cmd: 'pingreq' })
    await first.count('pingresp', 1)
    first.socket.destroy()
    const second = await connectRaw(port, session) // while the first message is on its way
    second.send(message(2), { cmd: 'pingreq' })
    await second.count('pingresp', 1)
    second.socket.destroy()
    const third = await connectRaw(port, session)
    committing.give()
    third.send(publish(2, `devices/clean-${kind}/data`, { a: 3 }, 1))
    await third.count('puback', 1) // the first two are committed
    third.send(message(4))
    await third.count('pubrec', 1)
    expect(await historyOf(`clean-${kind}`)).toEqual([1, 2, 3, 4])
  })

  test('nothing is acknowledged while the store is away, and everything once it is back', async () => {
    let isAway = true
    const tried = createSignal()
    const { port } = await startTestBroker(
      delayed(store, async () => {
        tried.give()
        if (isAway) throw new StoreError('STORE_UNAVAILABLE', 'away for this test')
      }),
    )
    const client = await connectRaw(port)
    client.send(publish(1, 'devices/away/data', { a: 1 }), publish(2, 'devices/away/data', { a: 2 }))
    await tried.given
    client.send({ cmd: 'pingreq' })
    await client.count('pingresp', 1)
    expect(client.received.filter(({ cmd }) => cmd === 'puback')).toEqual([])
    isAway = false
    await client.count('puback', 2)
    expect(await historyOf('away')).toEqual([1, 2])
  })

  test('a batch that the store refuses is taken apart: one message is rejected, the others stored', async () => {
    const { port, tally } = await startTestBroker(
      delayed(store, async (batch) => {
        if (batch.history.some(({ value }) => value === 13)) throw new StoreError('STORE_REJECTED', 'unlucky')
      }),
      { flushAfterMs: 50 },
    )
    const client = await connectRaw(port)
    client.send(...numbers(20).map((value) => publish(value, 'devices/unlucky/data', { a: value })))
    await client.count('puback', 20)
    expect(await historyOf('unlucky')).toEqual(numbers(20).filter((value) => value !== 13))
    expect(tally).toMatchObject({ received: 20, stored: 19 })
    expect(Object.fromEntries(tally.rejected)).toEqual({ 'refused-by-database': 1 })
  })

  test('a full queue drops QoS 0 and counts it, holds back QoS 1 and its publisher’s reads, and no one else', async () => {
    const open = createSignal()
    const { port, tally } = await startTestBroker(
      delayed(store, () => open.given),
      { maxBatch: 5 },
    )
    const flooder = await connectRaw(port)
    const topic = 'devices/full/data'
    const padding = 'more than one read of the socket holds'.repeat(10)
    flooder.send(...numbers(1000).map((value) => publish(value, topic, { a: value, status: { padding } })))
    const bystander = await connectRaw(port)
    for (const value of numbers(50)) {
      bystander.send(publish(value, 'chat', 'still here'))
      await bystander.count('puback', value)
    }
    bystander.send(...numbers(10).map(() => publish(0, topic, { a: 0 }, 0)), publish(51, 'chat', 'and now'))
    await bystander.count('puback', 51)
    expect(tally.dropped).toBe(10)
    // 100 are queued; of the others one read of the socket came in, before its client was held.
    expect(tally.received).toBeLessThan(600)
    open.give()
    await flooder.count('puback', 1000)
    expect(await historyOf('full')).toEqual(numbers(1000))
    expect(tally).toMatchObject({ received: 1010, stored: 1000, dropped: 10 })
  })

  test('INGEST_ACK received answers first and stores all the same', async () => {
    const open = createSignal()
    const { port, tally } = await startTestBroker(
      delayed(store, () => open.given),
      { acknowledges: 'received' },
    )
    const client = await connectRaw(port)
    client.send(publish(1, 'devices/hasty/data', { a: 1 }))
    await client.count('puback', 1)
    expect(tally.stored).toBe(0)
    open.give()
    await expect.poll(() => tally.stored).toBe(1)
    expect(await historyOf('hasty')).toEqual([1])
  })
})
