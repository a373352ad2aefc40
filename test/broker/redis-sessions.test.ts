import { Redis } from 'ioredis'
import type { MqttClient } from 'mqtt'
import { connect, connectAsync, type IClientOptions } from 'mqtt'
import type { IPublishPacket, Packet } from 'mqtt-packet'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { SessionLimits } from '#src/sessions/session-limits.js'
import { startTestBroker, type TestBroker } from '../support/broker.js'
import { connectRaw, type RawClient } from '../support/raw-client.js'
import { startRedis } from '../support/redis.js'
import { messages } from '../support/server-clients.js'
import { openTestRedisSessions } from '../support/sessions.js'
import { emptyDatabase } from '../support/store-databases.js'

const isPublish = (packet: Packet): packet is IPublishPacket => packet.cmd === 'publish'

/** A broker whose sessions are in Redis. */
async function startWith(url: string, limits: Partial<SessionLimits> = {}): Promise<TestBroker> {
  const database = await emptyDatabase('sqlite', 0)
  return startTestBroker(await database.open(), {}, (tally, log) =>
    openTestRedisSessions(url, tally, log, limits),
  )
}

async function logIn({ port }: TestBroker, options: IClientOptions = {}): Promise<MqttClient> {
  const client = await connectAsync(`mqtt://127.0.0.1:${port}`, { reconnectPeriod: 0, ...options }, false)
  onTestFinished(() => void client.end(true))
  return client
}

/** Subscribes in a session, and leaves. */
async function leaveSession(broker: TestBroker, clientId: string, ...filters: string[]): Promise<void> {
  const client = await logIn(broker, { clientId, clean: false })
  await client.subscribeAsync(filters, { qos: 2 })
  await client.endAsync()
}

const comeBack = ({ port }: TestBroker, clientId: string): Promise<RawClient> =>
  connectRaw(port, { clientId, clean: false })

/** What has come before a message that is published now, which is the last. */
async function payloadsBefore(client: RawClient, sender: MqttClient, topic: string): Promise<string[]> {
  await sender.publishAsync(topic, 'end', { qos: 1 })
  await client.next(
    (packet): packet is IPublishPacket => isPublish(packet) && packet.payload.toString() === 'end',
  )
  return client.received
    .filter(isPublish)
    .map(({ payload }) => payload.toString())
    .slice(0, -1)
}

const numbers = (count: number): string[] => Array.from({ length: count }, (_, index) => String(index + 1))

describe('The queue of a client that is away', () => {
  it('holds MAX_QUEUED_MESSAGES; the newest are dropped and counted', async () => {
    const { url } = await startRedis()
    const broker = await startWith(url, { maxQueued: 3 })
    await leaveSession(broker, 'away', 'q')
    const sender = await logIn(broker)
    for (const payload of numbers(5)) await sender.publishAsync('q', payload, { qos: 1 })
    expect(broker.tally.queueDropped).toBe(2)
    const back = await comeBack(broker, 'away')
    expect(await payloadsBefore(back, sender, 'q')).toEqual(numbers(3))
  })

  it('takes more than that while its client is connected', async () => {
    const { url } = await startRedis()
    const broker = await startWith(url, { maxQueued: 3 })
    const slow = await connectRaw(broker.port, { clientId: 'slow', clean: false })
    slow.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'q', qos: 1 }] })
    await slow.count('suback', 1)
    const sender = await logIn(broker)
    for (const payload of numbers(10)) await sender.publishAsync('q', payload, { qos: 1 })
    await slow.count('publish', 10)
    expect(broker.tally.queueDropped).toBe(0)
  })

  it('gets each message once and in order, also beyond 1000 of them', async () => {
    const { url } = await startRedis()
    const broker = await startWith(url)
    await leaveSession(broker, 'away', 'q/#', 'q/+')
    const sender = await logIn(broker)
    await Promise.all(numbers(1500).map((payload) => sender.publishAsync('q/a', payload, { qos: 1 })))
    const back = connect(`mqtt://127.0.0.1:${broker.port}`, {
      clientId: 'away',
      clean: false,
      reconnectPeriod: 0,
    })
    onTestFinished(() => void back.end(true))
    const received = messages(back, 1501)
    await new Promise((resolve) => back.once('connect', resolve))
    await sender.publishAsync('q/a', 'end', { qos: 1 })
    expect(await received).toEqual([...numbers(1500), 'end'])
  })

  it('keeps the packet identifiers of two clients that wait for the same messages apart [MQTT-2.3.1-2]', async () => {
    const { url } = await startRedis()
    const broker = await startWith(url)
    for (const clientId of ['one', 'two']) await leaveSession(broker, clientId, 'q')
    const sender = await logIn(broker)
    for (const payload of numbers(3)) await sender.publishAsync('q', payload, { qos: 2 })
    const sent = async (clientId: string): Promise<unknown[]> => {
      const client = await comeBack(broker, clientId)
      const received = await client.count('publish', 3)
      client.socket.destroy()
      return received.filter(isPublish).map(({ messageId, payload }) => [messageId, payload.toString()])
    }
    const first = [await sent('one'), await sent('two')]
    expect([await sent('one'), await sent('two')]).toEqual(first) // [MQTT-4.4.0-1]
  })

  it('is forgotten by Redis some time after its session would have ended, whatever becomes of it', async () => {
    const { url } = await startRedis()
    const broker = await startWith(url, { expirySeconds: 1000 })
    await leaveSession(broker, 'away', 'q')
    await (await logIn(broker)).publishAsync('q', 'waits', { qos: 1 })
    const redis = new Redis(url)
    onTestFinished(() => redis.disconnect())
    const [key = ''] = await redis.keys('damselfly:message:*')
    const seconds = await redis.ttl(key)
    expect(seconds).toBeGreaterThan(1000)
    expect(seconds).toBeLessThanOrEqual(1000 + 86_400)
  })

  it('survives brokers that come after each other, with the messages that each has queued', async () => {
    const { url } = await startRedis()
    const first = await startWith(url)
    await leaveSession(first, 'away', 'q')
    for (const payload of ['1', '2', '3']) await (await logIn(first)).publishAsync('q', payload, { qos: 1 })
    const second = await startWith(url)
    const sender = await logIn(second)
    for (const payload of ['4', '5', '6']) await sender.publishAsync('q', payload, { qos: 1 })
    expect(await payloadsBefore(await comeBack(second, 'away'), sender, 'q')).toEqual(numbers(6))
  })
})

describe('A message that Redis refuses', () => {
  it('[MQTT-4.8.0-2] is not acknowledged, and ends the connection that it came on, and no other', async () => {
    const { url } = await startRedis()
    const redis = new Redis(url)
    onTestFinished(() => redis.disconnect())
    const broker = await startWith(url)
    await leaveSession(broker, 'away', 'q')
    await redis.set('damselfly:queue:away', 'no list')
    const [sender, other] = [await connectRaw(broker.port), await connectRaw(broker.port)]
    sender.send({ cmd: 'publish', topic: 'q', payload: 'x', messageId: 1, qos: 1, dup: false, retain: false })
    await sender.closed
    expect(sender.received.map(({ cmd }) => cmd)).toEqual(['connack'])
    other.send({ cmd: 'publish', topic: 'p', payload: 'x', messageId: 1, qos: 1, dup: false, retain: false })
    await other.count('puback', 1)
  })
})

describe('A session without a subscription', () => {
  const isPresent = async (broker: TestBroker, clean = false): Promise<boolean> => {
    const { connack, send, closed } = await connectRaw(broker.port, { clientId: 'comes back', clean })
    send({ cmd: 'disconnect' })
    await closed
    return connack.sessionPresent
  }

  it('[MQTT-3.2.2-2] is present to its client, on another broker too, until a clean one ends it', async () => {
    const { url } = await startRedis()
    const [one, two] = [await startWith(url), await startWith(url)]
    expect(await isPresent(one)).toBe(false)
    expect(await isPresent(one)).toBe(true)
    expect(await isPresent(two)).toBe(true)
    expect(await isPresent(two, true)).toBe(false)
    expect(await isPresent(one)).toBe(false)
  })

  it('[MQTT-3.2.2-2] is present when its last subscription is gone', async () => {
    const { url } = await startRedis()
    const broker = await startWith(url)
    const client = await logIn(broker, { clientId: 'comes back', clean: false })
    await client.subscribeAsync('q', { qos: 1 })
    await client.unsubscribeAsync('q')
    await client.endAsync()
    expect(await isPresent(broker)).toBe(true)
  })

  it('[MQTT-3.2.2-3] ends when its client stays away', async () => {
    const { url } = await startRedis()
    const redis = new Redis(url)
    onTestFinished(() => redis.disconnect())
    const broker = await startWith(url, { expirySeconds: 0 })
    expect(await isPresent(broker)).toBe(false)
    while ((await redis.zcard('damselfly:sessions')) > 0) await new Promise(setImmediate)
    expect(await isPresent(broker)).toBe(false)
  })
})

describe('Retained messages', () => {
  it('are bounded in number and bytes; what finds no room is delivered, and counted', async () => {
    const { url } = await startRedis()
    const broker = await startWith(url, { maxRetained: 3, maxRetainedBytes: 100 })
    const sender = await logIn(broker)
    const retain = (topic: string, payload: string) =>
      sender.publishAsync(topic, payload, { qos: 1, retain: true })
    const live = await logIn(broker)
    await live.subscribeAsync('r/#', { qos: 1 })
    const all = messages(live, 8)
    for (const topic of ['r/1', 'r/2', 'r/3', 'r/4']) await retain(topic, 'x')
    expect(broker.tally.retainedRefused).toBe(1)
    await retain('r/1', '') // makes room
    await retain('r/5', 'y')
    await retain('r/2', 'z'.repeat(100)) // too long, and the one before goes
    expect(broker.tally.retainedRefused).toBe(2)
    await retain('r/6', 'w')
    expect((await all).length).toBe(8)
    const late = await logIn(broker)
    const kept = messages(late, 3)
    await late.subscribeAsync('r/#', { qos: 1 })
    expect((await kept).sort()).toEqual(['w', 'x', 'y'])
  })

  it('are found by filters with characters that mean something in a pattern of Redis, and by no others', async () => {
    const { url } = await startRedis()
    const broker = await startWith(url)
    const sender = await logIn(broker)
    const topics = ['g/[x]/a', 'g/x/a', 'g/*/a', 'g/?/a', 'g\\/a', 'g', '$g/a']
    for (const topic of topics) await sender.publishAsync(topic, topic, { qos: 1, retain: true })
    const matching = async (filter: string, count: number): Promise<string[]> => {
      const client = await logIn(broker)
      const found = messages(client, count)
      await client.subscribeAsync(filter, { qos: 1 })
      return (await found).sort()
    }
    expect(await matching('g/[x]/+', 1)).toEqual(['g/[x]/a'])
    expect(await matching('g/*/+', 1)).toEqual(['g/*/a'])
    expect(await matching('g\\/+', 1)).toEqual(['g\\/a'])
    expect(await matching('g/#', 5)).toEqual(['g', 'g/*/a', 'g/?/a', 'g/[x]/a', 'g/x/a'])
    expect(await matching('#', 6)).toEqual([...topics].filter((topic) => !topic.startsWith('$')).sort())
  })
})

describe('Subscriptions', () => {
  it.each([
    ['g/[x]/+', 'g/[x]/a'],
    ['g/[x]/#', 'g/[x]'],
    ['*/+', '*/a'],
    ['a?/#', 'a?/b'],
    ['back\\slash/+', 'back\\slash/a'],
    ['*', '*'],
    ['+/+/x', 'a//x'],
    ['/#', '/'],
    ['#', 'any/thing'],
  ])('to %j get what another instance publishes on %j', async (filter, topic) => {
    const { url } = await startRedis()
    const [one, two] = [await startWith(url), await startWith(url)]
    const receiver = await logIn(two)
    await receiver.subscribeAsync([filter, '*x'], { qos: 1 })
    const got = messages(receiver, 1)
    await (await logIn(one)).publishAsync(topic, 'it', { qos: 1 })
    expect(await got).toEqual(['it'])
  })

  it('[MQTT-3.8.4-1] of one session that are made at the same time and share a filter are all answered', async () => {
    const { url } = await startRedis()
    const broker = await startWith(url)
    const client = await connectRaw(broker.port, { clientId: 'twice', clean: false })
    const subscriptions = [{ topic: 'same', qos: 1 as const }]
    client.send(
      { cmd: 'subscribe', messageId: 1, subscriptions },
      { cmd: 'subscribe', messageId: 2, subscriptions },
      { cmd: 'unsubscribe', messageId: 3, unsubscriptions: ['same'] },
      { cmd: 'unsubscribe', messageId: 4, unsubscriptions: ['same'] },
      { cmd: 'subscribe', messageId: 5, subscriptions },
    )
    await Promise.all([client.count('suback', 3), client.count('unsuback', 2)])
    await (await logIn(broker)).publishAsync('same', 'it', { qos: 1 })
    await client.count('publish', 1)
  })
})
