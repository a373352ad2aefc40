import { connectAsync, type IClientOptions, type MqttClient } from 'mqtt'
import { pino } from 'pino'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createTally } from '#src/metrics/tally.js'
import { startDeliveringBroker, type TestBroker } from '../support/broker.js'
import { connectRaw } from '../support/raw-client.js'
import { startRedis } from '../support/redis.js'
import { openTestRedisSessions, openTestSessions } from '../support/sessions.js'

type Kind = 'on disk' | 'in Redis'

const log = pino({ level: 'silent' })

async function startWith(kind: Kind): Promise<TestBroker> {
  const tally = createTally()
  const sessions =
    kind === 'on disk'
      ? await openTestSessions(tally, log)
      : await openTestRedisSessions((await startRedis()).url, tally, log)
  return startDeliveringBroker(sessions, tally, {})
}

async function logIn({ port }: TestBroker, options: IClientOptions = {}): Promise<MqttClient> {
  const client = await connectAsync(`mqtt://127.0.0.1:${port}`, { reconnectPeriod: 0, ...options }, false)
  onTestFinished(() => void client.end(true))
  return client
}

describe.each(['on disk', 'in Redis'] as const)("A message of the server's own, sessions %s", (kind) => {
  it('comes to who is here, in order, at the QoS that was granted', async () => {
    const { broker, port } = await startWith(kind)
    const subscriber = await connectRaw(port, { clientId: 'here' })
    subscriber.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'a/#', qos: 1 }] })
    await subscriber.count('suback', 1)
    for (const payload of ['1', '2', '3']) await broker.publish('a/b', payload, { qos: 1 })
    await subscriber.count('publish', 3)
    const received = subscriber.received.flatMap((packet) =>
      packet.cmd === 'publish' ? [`${packet.topic} ${packet.payload} ${packet.qos} ${packet.retain}`] : [],
    )
    expect(received).toEqual(['a/b 1 1 false', 'a/b 2 1 false', 'a/b 3 1 false'])
  })

  it('waits for who is away', async () => {
    const broker = await startWith(kind)
    const away = await logIn(broker, { clientId: 'away', clean: false })
    await away.subscribeAsync('a/b', { qos: 1 })
    await away.endAsync()
    await broker.broker.publish('a/b', 'kept', { qos: 1 })
    const back = await connectRaw(broker.port, { clientId: 'away', clean: false })
    await back.count('publish', 1)
    expect(back.received.find(({ cmd }) => cmd === 'publish')).toMatchObject({ topic: 'a/b', qos: 1 })
  })
})

describe('Who is connected', () => {
  it('is told in the order in which they came, without those who have left', async () => {
    const broker = await startWith('on disk')
    await logIn(broker, { clientId: 'one', username: 'ann' })
    const two = await logIn(broker, { clientId: 'two' })
    await logIn(broker, { clientId: 'three' })
    const sinceMs: number = expect.any(Number)
    const connected = () => [...broker.broker.clients()]
    expect(connected()).toMatchObject([
      { clientId: 'one', user: 'ann', transport: 'tcp', address: '127.0.0.1', device: undefined, sinceMs },
      { clientId: 'two', user: undefined },
      { clientId: 'three' },
    ])
    const numbers = connected().map(({ number }) => number)
    expect(numbers).toEqual([...new Set(numbers)].sort((one, other) => one - other))
    await two.endAsync()
    await expect.poll(() => connected().map(({ clientId }) => clientId)).toEqual(['one', 'three'])
  })
})
