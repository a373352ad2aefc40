import { once } from 'node:events'
import { generate, type IPublishPacket, type Packet, parser } from 'mqtt-packet'
import { pino } from 'pino'
import { expect, it, onTestFinished } from 'vitest'
import { WebSocket } from 'ws'
import { createGate } from '#src/listen/gate.js'
import { listenWebsocket } from '#src/listen/websocket.js'
import { createTally } from '#src/metrics/tally.js'
import { startDeliveringBroker } from '../support/broker.js'
import { connectRaw } from '../support/raw-client.js'
import { openTestSessions } from '../support/sessions.js'

const log = pino({ level: 'silent' })

async function start() {
  const tally = createTally()
  const { port, broker } = await startDeliveringBroker(await openTestSessions(tally, log), tally, {})
  const limits = { maxPacketBytes: 1_048_576, origins: [] }
  const ws = await listenWebsocket(
    { host: '127.0.0.1', port: 0 },
    limits,
    createGate(100, tally, log),
    broker,
  )
  onTestFinished(ws.close)
  return { mqtt: port, ws: ws.port }
}

/** A client of session `frames` that takes each frame for a packet. */
async function connectByFrames(port: number) {
  const socket = new WebSocket(`ws://127.0.0.1:${port}`, 'mqtt')
  onTestFinished(() => socket.terminate())
  await once(socket, 'open')
  const frames: string[] = []
  socket.on('message', (frame: Buffer) => {
    const packets: Packet['cmd'][] = []
    const parse = parser({ protocolVersion: 4 })
    parse.on('packet', (packet) => void packets.push(packet.cmd))
    const leftBytes = parse.parse(frame)
    frames.push(packets.join(' ') + (leftBytes > 0 ? ' and a part' : ''))
    socket.emit('frame')
  })
  const send = (...packets: readonly Packet[]): void => {
    socket.send(Buffer.concat(packets.map((packet) => generate(packet))))
  }
  send({ ...{ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4 }, clean: false, clientId: 'frames' })
  return {
    send,
    end: () => {
      send({ cmd: 'disconnect' })
      return once(socket, 'close')
    },
    /** Resolves to what each frame held, once there are so many packets. */
    async frames(count: number): Promise<readonly string[]> {
      while (frames.join(' ').split(' ').length < count) await once(socket, 'frame')
      return frames.splice(0)
    },
  }
}

const publish = (messageId: number): IPublishPacket => ({
  ...{ cmd: 'publish', topic: 'a/b', payload: `${messageId}`, messageId },
  ...{ qos: 1, dup: false, retain: false },
})

const ten = Array.from({ length: 10 }, (_, index) => publish(index + 1))

it('Over WebSocket each packet is a frame, even of those that a client gets in one turn', async () => {
  const ports = await start()
  const first = await connectByFrames(ports.ws)
  first.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'a/#', qos: 1 }] })
  expect(await first.frames(2)).toEqual(['connack', 'suback'])
  await first.end()
  const publisher = await connectRaw(ports.mqtt)
  publisher.send(...ten)
  await publisher.count('puback', ten.length)
  const back = await connectByFrames(ports.ws)
  expect(await back.frames(11)).toEqual(['connack', ...ten.map(() => 'publish')])
  back.send(...ten.map(({ messageId }): Packet => ({ cmd: 'puback', messageId: messageId ?? 0 })))
  back.send(...ten)
  const answers = await back.frames(20)
  expect(answers.toSorted()).toEqual([...ten.map(() => 'puback'), ...ten.map(() => 'publish')])
})
