import { once } from 'node:events'
import { expect, it, onTestFinished } from 'vitest'
import { WebSocket } from 'ws'
import { bytes, connack, connect, pingreq, pingresp, publish } from './bytes.js'
import { startDamselfly } from './damselfly.js'

/** A WebSocket whose frames are kept. */
async function open(protocols: readonly string[] = ['mqtt']) {
  const { websocketPort } = await startDamselfly()
  const socket = new WebSocket(`ws://127.0.0.1:${websocketPort}`, [...protocols])
  onTestFinished(() => socket.terminate())
  const frames: Buffer[] = []
  const isBinary: boolean[] = []
  const watchers = new Set<() => void>()
  socket.on('message', (data: Buffer, binary) => {
    frames.push(data)
    isBinary.push(binary)
    for (const watch of watchers) watch()
  })
  const received = (count: number): Promise<Buffer> =>
    new Promise((resolve) => {
      const watch = (): void => {
        const all = Buffer.concat(frames)
        if (all.length >= count) resolve(all)
      }
      watchers.add(watch)
      watch()
    })
  const closed = once(socket, 'close')
  await once(socket, 'open')
  return { socket, received, closed, isBinary }
}

const answers = bytes(connack(), pingresp)

it('[MQTT-6.0.0-2] takes packets that are not aligned to WebSocket frames, and answers in binary ones', async () => {
  const { socket, received, isBinary } = await open()
  for (const byte of bytes(connect(), pingreq)) socket.send(Buffer.of(byte))
  expect(await received(answers.length)).toEqual(answers)
  expect(new Set(isBinary)).toEqual(new Set([true]))
})

it('[MQTT-6.0.0-2] takes several packets in one frame', async () => {
  const { socket, received } = await open()
  socket.send(bytes(connect(), pingreq))
  expect(await received(answers.length)).toEqual(answers)
})

it('[MQTT-6.0.0-1] ends the connection at a text frame', async () => {
  const { socket, received, closed } = await open()
  socket.send(connect())
  await received(connack().length)
  socket.send(publish('a', 'x').toString('latin1'), { binary: false }) // a packet of ASCII alone
  await closed
  expect(await received(connack().length)).toEqual(connack())
})

it('[MQTT-6.0.0-4] selects the subprotocol mqtt', async () => {
  const { socket } = await open(['other', 'mqtt'])
  expect(socket.protocol).toBe('mqtt')
})
