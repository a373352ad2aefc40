import { Redis } from 'ioredis'
import { connectAsync } from 'mqtt'
import type { IPublishPacket, Packet } from 'mqtt-packet'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, inject, onTestFinished, test } from 'vitest'
import { createTally } from '#src/metrics/tally.js'
import type { Store } from '#src/store/store.js'
import { startDeliveringBroker, startTestBroker, type TestBroker } from '../support/broker.js'
import { connectCounting } from '../support/counting-client.js'
import { highestMiB, residentMiB } from '../support/memory.js'
import { connectRaw, type RawClient } from '../support/raw-client.js'
import { startRedis } from '../support/redis.js'
import { ADMINISTRATOR, startServer } from '../support/server.js'
import { openTestRedisSessions, openTestSessions } from '../support/sessions.js'
import { emptyDatabase, type TestDatabase } from '../support/store-databases.js'

const MESSAGES = 5000

const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1)
const isPublish = (packet: Packet): packet is IPublishPacket => packet.cmd === 'publish'
const identifiers = (client: RawClient, cmd: 'pubrec' | 'pubcomp'): (number | undefined)[] =>
  client.received.filter((packet) => packet.cmd === cmd).map(({ messageId }) => messageId)

const report = (value: number, name: string, more: Partial<IPublishPacket> = {}): IPublishPacket => ({
  ...{ cmd: 'publish', topic: `devices/${name}/data`, payload: `{"value":${value}}` },
  ...{ messageId: value, qos: 2, dup: false, retain: false, ...more },
})

describe.each(['a clean session', 'a session on disk', 'a session in Redis'] as const)('%s', (kind) => {
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

  async function start(): Promise<TestBroker> {
    if (kind !== 'a session in Redis') return startTestBroker(store, {}, openTestSessions)
    const { url } = await startRedis()
    return startTestBroker(store, {}, (tally, log) => openTestRedisSessions(url, tally, log))
  }

  async function connectSubscriber(port: number): Promise<RawClient> {
    const subscriber = await connectRaw(port)
    subscriber.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'devices/#', qos: 0 }] })
    await subscriber.count('suback', 1)
    return subscriber
  }

  const stored = async (name: string): Promise<readonly number[]> => {
    const rows = await database.query(
      `SELECT value FROM device_sensor_history h JOIN device_main d ON d.id = h.device_id
       WHERE d.device_id = '${name}' ORDER BY value`,
    )
    return rows.map(({ value }) => Number(value))
  }

  test('[MQTT-4.3.3-2] 5,000 messages before the first PUBREL are each received, stored and delivered once', async () => {
    const { port } = await start()
    const subscriber = await connectSubscriber(port)
    const client = await connectRaw(port, { clientId: 'unreleased', clean: kind === 'a clean session' })
    const all = numbers(MESSAGES)
    client.send(...all.map((value) => report(value, 'unreleased')))
    await client.count('pubrec', MESSAGES)
    expect(identifiers(client, 'pubrec')).toEqual(all)

    client.send(...[1, 1001, MESSAGES].map((value) => report(value, 'unreleased', { dup: true })))
    await client.count('pubrec', MESSAGES + 3)
    client.send(...all.map((messageId): Packet => ({ cmd: 'pubrel', messageId })))
    await client.count('pubcomp', MESSAGES)
    expect(identifiers(client, 'pubcomp')).toEqual(all)

    client.send(report(MESSAGES + 1, 'unreleased', { messageId: 1 })) // free again, for another message
    await client.count('pubrec', MESSAGES + 4)
    await subscriber.count('publish', MESSAGES + 1)
    const delivered = subscriber.received.filter(isPublish).map(({ payload }) => String(payload))
    expect(delivered).toEqual(numbers(MESSAGES + 1).map((value) => `{"value":${value}}`))
    expect(await stored('unreleased')).toEqual(numbers(MESSAGES + 1))
  }, 60_000)
})

test('mqtt.js, which has no window, publishes 5,000 messages at QoS 2 at once and stays connected', async () => {
  const server = await startServer()
  const { username, password } = ADMINISTRATOR
  const options = { username, password, clean: false, clientId: 'no-window', reconnectPeriod: 0 }
  const client = await connectAsync(`mqtt://127.0.0.1:${server.port('mqtt')}`, options)
  onTestFinished(() => client.endAsync(true))
  const ended = new Promise<never>((_resolve, reject) => {
    client.once('close', () => reject(new Error('the client was disconnected')))
  })
  const published = numbers(MESSAGES).map((value) => client.publishAsync('a/b', `${value}`, { qos: 2 }))
  await expect(Promise.race([Promise.all(published), ended])).resolves.toHaveLength(MESSAGES)
}, 60_000)

test.each([true, false])(
  'of messages that are not released, only the identifiers are kept; clean %s',
  async (clean) => {
    const server = await startServer()
    const password = Buffer.from(ADMINISTRATOR.password)
    const client = await connectCounting(server.port('mqtt'), {
      ...ADMINISTRATOR,
      password,
      clean,
      clientId: 'large',
    })
    const before = await residentMiB(server.pid)
    for (const messageId of numbers(300)) {
      client.send(report(messageId, 'x', { topic: 'large', payload: Buffer.alloc(1_000_000) }))
      await client.until(() => client.counted('pubrec') === messageId)
    }
    expect((await highestMiB(server.pid)) - before).toBeLessThan(200) // of 286 MiB
  },
  120_000,
)

test('so it is in Redis', async () => {
  const { url } = await startRedis()
  const { port } = await startDeliveringBroker(
    await openTestRedisSessions(url, createTally(), pino({ level: 'silent' })),
    createTally(),
    {},
  )
  const client = await connectRaw(port, { clientId: 'large', clean: false })
  client.send(report(1, 'x', { topic: 'large', payload: Buffer.alloc(100_000) }))
  await client.count('pubrec', 1)
  const redis = new Redis(url)
  onTestFinished(async () => void (await redis.quit()))
  const kept = await redis.hstrlen('incoming:large', '1')
  expect(kept).toBeGreaterThan(0)
  expect(kept).toBeLessThan(200)
})
