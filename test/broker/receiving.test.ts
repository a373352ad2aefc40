import { generate, type IPublishPacket, type Packet } from 'mqtt-packet'
import { expect, it } from 'vitest'
import { delayed, startTestBroker } from '../support/broker.js'
import { connectRaw } from '../support/raw-client.js'
import { createSignal } from '../support/signal.js'
import { emptyDatabase } from '../support/store-databases.js'

const reading = (messageId: number, qos: 0 | 1 | 2, topic = 'devices/thermometer/data'): IPublishPacket => ({
  ...{ cmd: 'publish', topic, payload: '{"temperature":21.5}', messageId, qos },
  ...{ dup: false, retain: false },
})

/** A broker whose store is slow until `proceed` is called. */
async function startSlow() {
  const { given, give } = createSignal()
  const database = await emptyDatabase('sqlite', 0)
  const broker = await startTestBroker(delayed(await database.open(), () => given))
  return { broker, proceed: give }
}

const ANOTHER_CONNECT = generate({
  cmd: 'connect',
  protocolId: 'MQTT',
  clientId: 'again',
  clean: true,
  keepalive: 0,
})

it.each([
  ['QoS 1', [reading(1, 1), reading(2, 1)], ['puback', 'puback']],
  ['QoS 2', [reading(1, 2), reading(2, 2)], ['pubrec', 'pubrec']],
  ['each QoS', [reading(1, 2), reading(2, 1), reading(3, 0)], ['puback', 'pubrec']], // each kind in its order
] as const)(
  '[MQTT-4.8.0-1] messages of %s that wait to be stored have their answers before a wrong packet ends the connection',
  async (_qos, messages, answers) => {
    const { broker, proceed } = await startSlow()
    const client = await connectRaw(broker.port)
    client.socket.write(Buffer.concat([...messages.map((one) => generate(one)), ANOTHER_CONNECT]))
    const other = await connectRaw(broker.port)
    other.send({ cmd: 'pingreq' })
    await other.count('pingresp', 1)
    expect(client.received.map(({ cmd }) => cmd)).toEqual(['connack'])
    proceed()
    await client.closed
    expect(client.received.map(({ cmd }) => cmd)).toEqual(['connack', ...answers])
  },
)

it('[MQTT-4.6.0-2] acknowledgements of many messages in one read, stored and not, leave in their order', async () => {
  const { broker, proceed } = await startSlow()
  const client = await connectRaw(broker.port)
  const count = 3000
  const messages = Array.from({ length: count }, (_, index) =>
    reading(index + 1, 1, index % 3 === 0 ? 'devices/thermometer/data' : `elsewhere/${index % 5}`),
  )
  client.send(...messages)
  client.send({ cmd: 'pingreq' })
  proceed()
  const acknowledged = await client.count('puback', count)
  const identifiers = acknowledged.map((packet: Packet) => packet.messageId)
  expect(identifiers).toEqual(messages.map(({ messageId }) => messageId))
  await client.count('pingresp', 1)
})

it('a publish whose payload comes in many reads is whole', async () => {
  const database = await emptyDatabase('sqlite', 0)
  const { port } = await startTestBroker(await database.open())
  const [sender, receiver] = [await connectRaw(port), await connectRaw(port)]
  receiver.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: '#', qos: 1 }] })
  await receiver.count('suback', 1)
  const payload = Buffer.from(Array.from({ length: 200_000 }, (_, index) => index % 251))
  const topics = ['a', 'ä', 'a/b/c', 'ä/b', 'a', `${'long/'.repeat(60)}x`]
  const bytes = Buffer.concat(
    topics.map((topic, index) => generate({ ...reading(index + 1, 1, topic), payload })),
  )
  for (let at = 0; at < bytes.length; at += 70_001) sender.socket.write(bytes.subarray(at, at + 70_001))
  await sender.count('puback', topics.length)
  const received = await receiver.count('publish', topics.length)
  expect(received.map((packet) => packet.cmd === 'publish' && packet.topic)).toEqual(topics)
  expect(
    received.every((packet) => packet.cmd === 'publish' && payload.equals(Buffer.from(packet.payload))),
  ).toBe(true)
})
