import type { IPublishPacket, Packet } from 'mqtt-packet'
import { pino } from 'pino'
import { describe, expect, it } from 'vitest'
import { createTally } from '#src/metrics/tally.js'
import { startDeliveringBroker, type TestBroker } from '../support/broker.js'
import { connectRaw, type RawClient } from '../support/raw-client.js'
import { startRedis } from '../support/redis.js'
import { openTestRedisSessions, openTestSessions } from '../support/sessions.js'

const log = pino({ level: 'silent' })
const tally = createTally()

const starts: Readonly<Record<'on disk' | 'in Redis', () => Promise<TestBroker>>> = {
  'on disk': async () => startDeliveringBroker(await openTestSessions(tally, log), tally, {}),
  'in Redis': async () => {
    const { url } = await startRedis()
    return startDeliveringBroker(await openTestRedisSessions(url, tally, log), tally, {})
  },
}

/** Filters, topics that they match, and one that they do not. */
const cases: readonly (readonly [filter: string, matched: readonly string[], other: string])[] = [
  ['+/a', ['/a', 'b/a'], '$a/a'],
  ['a/+', ['a/', 'a/b'], 'a'],
  ['a/+/b', ['a//b', 'a/a/b'], 'a/b'],
  ['/#', ['/', '//', '/a'], 'a/'],
  ['#', ['/', 'a//'], '$a'],
  ['$a/+', ['$a/', '$a/b'], '$a/b/'],
]

const END = 'the end/of it'

const isPublish = (packet: Packet): packet is IPublishPacket => packet.cmd === 'publish'

async function publishAll(port: number, topics: readonly string[], retain = false): Promise<void> {
  const client = await connectRaw(port)
  client.send(
    ...topics.map(
      (topic, index): IPublishPacket => ({
        ...{ cmd: 'publish', topic, payload: 'x', qos: 1, messageId: index + 1, dup: false, retain },
      }),
    ),
  )
  await client.count('puback', topics.length)
  client.send({ cmd: 'disconnect' })
}

async function topicsUntilEnd(client: RawClient): Promise<readonly string[]> {
  await client.next((packet): packet is IPublishPacket => isPublish(packet) && packet.topic === END)
  return client.received.filter(isPublish).map(({ topic }) => topic)
}

describe.each(Object.entries(starts))('Sessions %s', (_where, start) => {
  it.each(cases)(
    '[MQTT-4.7.1-3] [MQTT-4.7.2-1] queue for %s what it matches, with empty levels, and nothing else',
    async (filter, matched, other) => {
      const { port } = await start()
      const before = await connectRaw(port, { clientId: 'away', clean: false })
      const subscriptions = [filter, END].map((topic) => ({ topic, qos: 1 as const }))
      before.send({ cmd: 'subscribe', messageId: 1, subscriptions })
      await before.count('suback', 1)
      before.send({ cmd: 'disconnect' })
      await before.closed
      await publishAll(port, [other, ...matched, END])
      const back = await connectRaw(port, { clientId: 'away', clean: false })
      expect(await topicsUntilEnd(back)).toEqual([...matched, END])
    },
  )

  it.each(cases)(
    '[MQTT-4.7.1-3] [MQTT-4.7.2-1] give a new subscription to %s the retained messages that it matches, for each filter',
    async (filter, matched, other) => {
      const { port } = await start()
      await publishAll(port, [other, ...matched], true)
      const client = await connectRaw(port)
      const subscriptions = [filter, filter].map((topic) => ({ topic, qos: 1 as const }))
      client.send({ cmd: 'subscribe', messageId: 1, subscriptions })
      await client.count('publish', 2 * matched.length)
      await publishAll(port, [END])
      client.send({ cmd: 'subscribe', messageId: 2, subscriptions: [{ topic: END, qos: 1 }] })
      await client.count('suback', 2)
      await publishAll(port, [END])
      const topics = await topicsUntilEnd(client)
      expect(topics.filter((topic) => topic !== END).sort()).toEqual([...matched, ...matched].sort())
    },
  )
})
