import type { IPublishPacket, Packet } from 'mqtt-packet'
import { expect, it } from 'vitest'
import { connectRaw, type RawClient } from '../support/raw-client.js'
import { startRedis } from '../support/redis.js'
import { ADMINISTRATOR, type Server, startServer } from '../support/server.js'

const MESSAGES = 300
const UNACKNOWLEDGED = 50

const isPublish = (packet: Packet): packet is IPublishPacket => packet.cmd === 'publish'

const connectAdministrator = (server: Server, more: Parameters<typeof connectRaw>[1] = {}) =>
  connectRaw(server.port('mqtt'), {
    ...ADMINISTRATOR,
    password: Buffer.from(ADMINISTRATOR.password),
    ...more,
  })

async function subscribe(client: RawClient, ...filters: readonly string[]): Promise<void> {
  const subscriptions = filters.map((topic) => ({ topic, qos: 1 as const }))
  client.send({ cmd: 'subscribe', messageId: 1, subscriptions })
  await client.count('suback', 1)
}

const publish = (topic: string, messageId?: number): Packet => ({
  ...{ cmd: 'publish', topic, payload: 'x', retain: false, dup: false },
  ...(messageId === undefined ? { qos: 0 } : { qos: 1, messageId }),
})

it('[MQTT-4.3.2-1] a QoS 1 message that is queued in Redis is not lost to those of QoS 0 behind it', async () => {
  const server = await startServer({ REDIS_URL: (await startRedis()).url })
  const away = await connectAdministrator(server, { clientId: 'away', clean: false })
  await subscribe(away, 'one/#')
  away.send({ cmd: 'disconnect' })
  await away.closed
  const subscriber = await connectAdministrator(server)
  let acknowledged = 0
  subscriber.socket.on('data', () => {
    const messages = subscriber.received.filter(isPublish)
    for (const { qos, messageId = 0 } of messages.slice(acknowledged)) {
      if (qos === 1) subscriber.send({ cmd: 'puback', messageId })
    }
    acknowledged = messages.length
  })
  await subscribe(subscriber, '#')
  const [one, zero] = await Promise.all([connectAdministrator(server), connectAdministrator(server)])
  for (let sent = 0; sent < MESSAGES; sent += UNACKNOWLEDGED) {
    for (let index = sent; index < sent + UNACKNOWLEDGED; index += 1) {
      one.send(publish(`one/${index}`, index + 1))
      zero.send(publish(`zero/${index}`))
    }
    await one.count('puback', sent + UNACKNOWLEDGED)
  }
  // The last of all, by when what has not come will not come.
  const last = (packet: Packet): packet is IPublishPacket => isPublish(packet) && packet.topic === 'last'
  one.send(publish('last', MESSAGES + 1))
  await subscriber.next(last)
  await subscriber.count('publish', 2 * MESSAGES + 1)
  const topics = subscriber.received.filter(isPublish).map(({ topic }) => topic)
  expect(topics.filter((topic) => topic.startsWith('one/'))).toHaveLength(MESSAGES)
})

it('[MQTT-3.1.2-8] a will of QoS 1 comes to one who is subscribed to $SYS/# as well', async () => {
  const server = await startServer()
  const subscriber = await connectAdministrator(server)
  await subscribe(subscriber, 'a/will', '$SYS/#')
  const client = await connectAdministrator(server, {
    will: { topic: 'a/will', payload: Buffer.from('gone'), qos: 1, retain: false },
  })
  client.socket.destroy()
  const will = (packet: Packet): packet is IPublishPacket => isPublish(packet) && packet.topic === 'a/will'
  expect(await subscriber.next(will)).toMatchObject({ qos: 1 })
})
