import { Duplex } from 'node:stream'
import { generate, type IPublishPacket, type ISubscribePacket } from 'mqtt-packet'
import { pino } from 'pino'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { DeliveryLimits } from '#src/broker/outlet-parts.js'
import { createGate } from '#src/listen/gate.js'
import { listenWebsocket } from '#src/listen/websocket.js'
import { createTally } from '#src/metrics/tally.js'
import { startDeliveringBroker, testDelivery } from '../support/broker.js'
import { connectCounting } from '../support/counting-client.js'
import { connectRaw } from '../support/raw-client.js'
import { openTestSessions } from '../support/sessions.js'

const log = pino({ level: 'silent' })

async function start(delivery: Partial<DeliveryLimits>) {
  const tally = createTally()
  const sessions = await openTestSessions(tally, log, { ...testDelivery, ...delivery })
  const { port, broker } = await startDeliveringBroker(sessions, tally, delivery)
  const ws = await listenWebsocket(
    { host: '127.0.0.1', port: 0 },
    { maxPacketBytes: 1_048_576, origins: [] },
    createGate(100, tally, log),
    broker,
  )
  onTestFinished(ws.close)
  return { ports: { mqtt: port, ws: ws.port }, broker, tally }
}

const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1)

const publish = (id: number, qos: 0 | 1, bytes: number): IPublishPacket => ({
  ...{ cmd: 'publish', topic: 'a/b', payload: `${id}`.padEnd(bytes), messageId: id, qos },
  ...{ dup: false, retain: false },
})

const subscribe = (qos: 0 | 1): ISubscribePacket => ({
  cmd: 'subscribe',
  messageId: 1,
  subscriptions: [{ topic: 'a/#', qos }],
})

describe.each(['mqtt', 'ws'] as const)('A subscriber over %s that reads nothing', (transport) => {
  it('loses what is newest at QoS 0 beyond MAX_BUFFERED_BYTES, and keeps its connection', async () => {
    const { ports, tally } = await start({ maxBufferedBytes: 1_000_000 })
    const slow = await connectCounting(ports[transport], { transport, keepsPayloads: true })
    slow.send(subscribe(1))
    await slow.until(() => slow.counted('suback') === 1)
    slow.pause()
    const publisher = await connectRaw(ports.mqtt)
    const other = await connectCounting(ports.mqtt)
    other.send(subscribe(1))
    for (let batch = 1; batch <= 20; batch += 1) {
      publisher.send(...numbers(1000).map((id) => publish((batch - 1) * 1000 + id, 0, 1000)))
      await other.until(() => other.counted('publish') === batch * 1000)
    }
    expect(tally.slowDropped).toBeGreaterThan(1000)
    slow.resume()
    await slow.until(() => slow.counted('publish') === 20_000 - tally.slowDropped)
    expect(slow.payloads.map(Number)).toEqual(numbers(20_000 - tally.slowDropped))
    publisher.send(publish(20_001, 0, 1000))
    await slow.until(() => Number(slow.payloads.at(-1)) === 20_001)
    expect(tally.cutOff.size).toBe(0)
  })

  it('is cut off, and what it did not take at QoS 1 stays in its session', async () => {
    const { ports, tally } = await start({ stalledAfterMs: 2000 })
    const session = { clientId: 'slow', clean: false }
    const slow = await connectCounting(ports[transport], { ...session, transport })
    slow.send(subscribe(1))
    await slow.until(() => slow.counted('suback') === 1)
    slow.pause()
    const publisher = await connectRaw(ports.mqtt)
    publisher.send(...numbers(40).map((id) => publish(id, 1, 500_000)))
    await publisher.count('puback', 40)
    while (tally.cutOff.get('took nothing') === undefined) {
      publisher.send({ cmd: 'pingreq' })
      await publisher.count('pingresp', publisher.received.filter(({ cmd }) => cmd === 'pingresp').length + 1)
    }
    slow.resume()
    await slow.closed
    const back = await connectCounting(ports.mqtt, { ...session, keepsPayloads: true, acknowledges: true })
    await back.until(() => back.counted('publish') === 40)
    expect(back.payloads.map(Number)).toEqual(numbers(40))
  })
})

it('A publisher that does not read its acknowledgements is not read on', async () => {
  const { ports, broker } = await start({ stalledAfterMs: 2000 })
  const watcher = await connectCounting(ports.mqtt, { acknowledges: true })
  watcher.send(subscribe(0))
  await watcher.until(() => watcher.counted('suback') === 1)
  const connect = {
    cmd: 'connect',
    protocolId: 'MQTT',
    protocolVersion: 4,
    clean: true,
    keepalive: 0,
  } as const
  const chunks = [generate({ ...connect, clientId: 'deaf' })]
  const stream = new Duplex({
    read() {
      const chunk = chunks.shift()
      if (chunk !== undefined) this.push(chunk)
    },
    write(_chunk, _encoding, written) {
      if (chunks.length > 0 || isConnected) return // takes nothing more
      isConnected = true
      for (let batch = 0; batch < 100; batch += 1) {
        chunks.push(Buffer.concat(numbers(600).map((id) => generate(publish(id, 1, 100)))))
      }
      written()
      stream.push(chunks.shift())
    },
  })
  let isConnected = false
  broker.accept(stream, { transport: 'tcp', address: '127.0.0.1' })
  await new Promise((resolve) => stream.once('close', resolve))
  const probe = await connectRaw(ports.mqtt)
  probe.send(publish(1, 0, 100))
  const before = watcher.counted('publish')
  await watcher.until(() => watcher.counted('publish') > before)
  expect(watcher.counted('publish')).toBeLessThan(20_000)
})
