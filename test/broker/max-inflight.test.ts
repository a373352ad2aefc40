import type { IConnectPacket, IPublishPacket, Packet } from 'mqtt-packet'
import { pino } from 'pino'
import { describe, expect, it } from 'vitest'
import type { DeliveryLimits } from '#src/broker/outlet-parts.js'
import { createTally } from '#src/metrics/tally.js'
import { startDeliveringBroker, type TestBroker, testDelivery } from '../support/broker.js'
import { connectRaw, type RawClient } from '../support/raw-client.js'
import { startRedis } from '../support/redis.js'
import { openTestRedisSessions, openTestSessions } from '../support/sessions.js'

type Kind = 'a clean session' | 'a session on disk' | 'a session in Redis'

const log = pino({ level: 'silent' })

async function startWith(kind: Kind, delivery: Partial<DeliveryLimits>): Promise<TestBroker> {
  const tally = createTally()
  const limits = { ...testDelivery, ...delivery }
  if (kind !== 'a session in Redis') {
    return startDeliveringBroker(await openTestSessions(tally, log, limits), tally, delivery)
  }
  const { url } = await startRedis()
  return startDeliveringBroker(await openTestRedisSessions(url, tally, log, limits), tally, delivery)
}

const isPublish = (packet: Packet): packet is IPublishPacket => packet.cmd === 'publish'

const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1)

const publish = (messageId: number, qos: 0 | 1 | 2, more: Partial<IPublishPacket> = {}): IPublishPacket => ({
  ...{ cmd: 'publish', topic: 'a/b', payload: String(messageId), messageId, qos },
  ...{ dup: false, retain: false, ...more },
})

const messages = (client: RawClient): IPublishPacket[] => client.received.filter(isPublish)
const payloads = (client: RawClient): number[] => messages(client).map(({ payload }) => Number(payload))
const identifiers = (client: RawClient): number[] => messages(client).map(({ messageId = 0 }) => messageId)

async function connectSubscriber(
  port: number,
  kind: Kind,
  qos: 0 | 1 | 2 = 2,
  more: Partial<IConnectPacket> = {},
): Promise<RawClient> {
  const client = await connectRaw(port, {
    clientId: 'subscriber',
    clean: kind === 'a clean session',
    ...more,
  })
  client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'a/#', qos }] })
  await client.count('suback', 1)
  return client
}

/** Sends 1 to `count`, and waits until all are acknowledged. */
async function publishAll(port: number, count: number, qos: 1 | 2, more = {}): Promise<RawClient> {
  const publisher = await connectRaw(port)
  publisher.send(...numbers(count).map((id) => publish(id, qos, more)))
  await publisher.count(qos === 1 ? 'puback' : 'pubrec', count)
  return publisher
}

/** Nothing more comes: what was to come has come before the answer. */
async function settled(client: RawClient): Promise<void> {
  const before = client.received.filter(({ cmd }) => cmd === 'pingresp').length
  for (let asked = 1; asked <= 3; asked += 1) {
    client.send({ cmd: 'pingreq' })
    await client.count('pingresp', before + asked)
  }
}

/** Acknowledges a message for good. */
async function acknowledge(client: RawClient, qos: 1 | 2, messageId: number, nth: number): Promise<void> {
  if (qos === 1) {
    client.send({ cmd: 'puback', messageId })
    return
  }
  client.send({ cmd: 'pubrec', messageId })
  await client.count('pubrel', nth)
  client.send({ cmd: 'pubcomp', messageId })
}

describe.each(['a clean session', 'a session on disk', 'a session in Redis'] as const)('%s', (kind) => {
  it.each([1, 2] as const)(
    'is sent MAX_INFLIGHT messages of QoS %i, and one more for each that it has acknowledged, in order',
    async (qos) => {
      const { port } = await startWith(kind, { maxInflight: 5 })
      const client = await connectSubscriber(port, kind)
      await publishAll(port, 12, qos)
      await client.count('publish', 5)
      await settled(client)
      expect(payloads(client)).toEqual(numbers(5))
      for (let nth = 1; nth <= 12; nth += 1) {
        const sent = Math.min(4 + nth, 12)
        await client.count('publish', sent)
        expect(new Set(identifiers(client).slice(nth - 1)).size).toBe(sent - nth + 1)
        await acknowledge(client, qos, identifiers(client)[nth - 1] ?? 0, nth)
      }
      await settled(client)
      expect(payloads(client)).toEqual(numbers(12))
      expect(messages(client).every((packet) => packet.qos === qos && !packet.dup)).toBe(true)
    },
  )

  it('[MQTT-4.3.3-1] counts a QoS 2 message as on its way until PUBCOMP', async () => {
    const { port } = await startWith(kind, { maxInflight: 1 })
    const client = await connectSubscriber(port, kind)
    await publishAll(port, 2, 2)
    const [{ messageId = 0 } = { messageId: 0 }] = await client.count('publish', 1)
    client.send({ cmd: 'pubrec', messageId })
    await client.count('pubrel', 1)
    await settled(client)
    expect(payloads(client)).toEqual([1])
    client.send({ cmd: 'pubcomp', messageId })
    await client.count('publish', 2)
  })

  it('is sent QoS 0 meanwhile', async () => {
    const { port } = await startWith(kind, { maxInflight: 1 })
    const client = await connectSubscriber(port, kind)
    const publisher = await publishAll(port, 3, 1)
    publisher.send(publish(4, 0))
    await client.count('publish', 2)
    await settled(client)
    expect(payloads(client).sort()).toEqual([1, 4]) // a queue in Redis is read meanwhile
  })

  it('[MQTT-3.8.4-6] is sent no higher QoS than it was granted by a wildcard', async () => {
    const { port } = await startWith(kind, {})
    const client = await connectSubscriber(port, kind, 1)
    await publishAll(port, 1, 2)
    expect(await client.count('publish', 1)).toMatchObject([{ qos: 1 }])
  })

  it('that never acknowledges keeps MAX_QUEUED_MESSAGES waiting; the newest are dropped and counted', async () => {
    const { port, tally } = await startWith(kind, { maxInflight: 2, maxQueued: 4 })
    const client = await connectSubscriber(port, kind)
    await publishAll(port, 10, 1)
    while (tally.queueDropped < 4) await settled(client) // from Redis, messages come after their acknowledgement
    for (let nth = 1; nth <= 6; nth += 1) {
      await client.count('publish', nth)
      client.send({ cmd: 'puback', messageId: identifiers(client)[nth - 1] ?? 0 })
    }
    await settled(client)
    expect(payloads(client)).toEqual(numbers(6))
    expect(tally.queueDropped).toBe(4)
  })

  it('is sent retained messages within MAX_INFLIGHT, all of them', async () => {
    const { port } = await startWith(kind, { maxInflight: 3, maxQueued: 1 })
    const publisher = await connectRaw(port)
    publisher.send(...numbers(8).map((id) => publish(id, 1, { topic: `a/${id}`, retain: true })))
    await publisher.count('puback', 8)
    const client = await connectSubscriber(port, kind)
    await client.count('publish', 3)
    await settled(client)
    expect(messages(client)).toHaveLength(3)
    for (let nth = 1; nth <= 8; nth += 1) {
      await client.count('publish', Math.min(2 + nth, 8))
      client.send({ cmd: 'puback', messageId: identifiers(client)[nth - 1] ?? 0 })
    }
    expect(payloads(client).sort()).toEqual(numbers(8))
    expect(messages(client).every(({ retain }) => retain)).toBe(true)
  })
})

describe.each(['a session on disk', 'a session in Redis'] as const)('%s that goes on', (kind) => {
  it.each([1, 2] as const)(
    '[MQTT-4.4.0-1] is first sent again what was on its way at QoS %i, then the rest, within MAX_INFLIGHT',
    async (qos) => {
      const { port } = await startWith(kind, { maxInflight: 4 })
      const before = await connectSubscriber(port, kind)
      await publishAll(port, 10, qos)
      await before.count('publish', 4)
      await acknowledge(before, qos, identifiers(before)[0] ?? 0, 1)
      await before.count('publish', 5)
      await settled(before)
      before.socket.destroy()
      await before.closed
      const client = await connectRaw(port, { clientId: 'subscriber', clean: false })
      await client.count('publish', 4)
      await settled(client)
      expect(payloads(client)).toEqual([2, 3, 4, 5])
      expect(identifiers(client)).toEqual(identifiers(before).slice(1))
      expect(messages(client).every(({ dup }) => dup)).toBe(true)
      for (let nth = 1; nth <= 9; nth += 1) {
        await client.count('publish', Math.min(3 + nth, 9))
        await acknowledge(client, qos, identifiers(client)[nth - 1] ?? 0, nth)
      }
      await settled(client)
      expect(payloads(client)).toEqual(numbers(10).slice(1))
      expect(
        messages(client)
          .slice(4)
          .every(({ dup }) => !dup),
      ).toBe(true)
    },
  )

  it('has what comes while it is sent what waited, behind it and once', async () => {
    const { port } = await startWith(kind, { maxInflight: 2 })
    const before = await connectSubscriber(port, kind)
    before.send({ cmd: 'disconnect' })
    await before.closed
    await publishAll(port, 5, 1)
    const client = await connectRaw(port, { clientId: 'subscriber', clean: false })
    await client.count('publish', 2)
    const publisher = await connectRaw(port)
    publisher.send(...[6, 7, 8].map((id) => publish(id, 1)))
    await publisher.count('puback', 3)
    for (let nth = 1; nth <= 8; nth += 1) {
      await client.count('publish', nth)
      client.send({ cmd: 'puback', messageId: identifiers(client)[nth - 1] ?? 0 })
    }
    await settled(client)
    expect(payloads(client)).toEqual(numbers(8))
  })
})
