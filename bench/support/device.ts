import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import { connectPacket, createPacketReader, PacketType, publishPacket } from './packets.js'
import { isRecord, serveTasks } from './worker.js'

/**
 * A device that publishes readings at a fixed rate, whether or not the one before was acknowledged. What it
 * takes counts from when a reading was due, so that none is left out while everything stands still.
 */

interface Reading {
  readonly dueMs: number
  acknowledgedMs: number | undefined
}

interface Running {
  readonly readings: Reading[]
  readonly delays: ReturnType<typeof monitorEventLoopDelay>
  /** Sends no more, and resolves when all are acknowledged or nobody waits any longer. */
  stop(): Promise<void>
}

/** What is not acknowledged by then never will be. */
const LAST_ANSWERS_MS = 10_000

const MAX_PACKET_IDENTIFIER = 65_535

let running: Running | undefined

const now = (): number => performance.timeOrigin + performance.now()

async function logIn(port: number, user: string, password: string, clientId: string): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  await once(socket, 'connect')
  socket.write(connectPacket(clientId, user, password, 60))
  const [answer] = await once(socket, 'data')
  if (!(Buffer.isBuffer(answer) && answer.equals(Buffer.from([0x20, 2, 0, 0])))) {
    throw new Error(`the device was answered ${String(answer)}`)
  }
  return socket
}

function publish(socket: Socket, topic: string, everyMs: number): Running {
  const readings: Reading[] = []
  const delays = monitorEventLoopDelay({ resolution: 1 })
  delays.enable()
  const firstMs = now()
  const awaited = new Map<number, Reading>()
  const ended = new AbortController()
  socket.once('close', () => ended.abort())
  socket.on(
    'data',
    createPacketReader(({ type, body }) => {
      if (type !== PacketType.puback) return
      const identifier = body.readUInt16BE(0)
      const reading = awaited.get(identifier)
      awaited.delete(identifier)
      if (reading !== undefined) reading.acknowledgedMs = now()
    }),
  )
  const send = (): void => {
    for (;;) {
      const dueMs = firstMs + readings.length * everyMs
      if (dueMs > now()) return
      const reading = { dueMs, acknowledgedMs: undefined }
      const identifier = (readings.length % MAX_PACKET_IDENTIFIER) + 1
      const payload = `{"sensor":"DHT11","temperature":${20 + (readings.length % 100) / 10},"humidity":39.0}`
      readings.push(reading)
      awaited.set(identifier, reading)
      socket.write(publishPacket(topic, identifier, payload))
    }
  }
  const sending = setInterval(send, 1)
  return {
    readings,
    delays,
    async stop() {
      clearInterval(sending)
      const giveUpMs = now() + LAST_ANSWERS_MS
      while (awaited.size > 0 && now() < giveUpMs && !ended.signal.aborted) await delay(5)
      socket.destroy()
    },
  }
}

serveTasks({
  async start(input) {
    if (!isRecord(input)) throw new Error('no input')
    const { port, user, password, clientId, topic, everyMs } = input
    const socket = await logIn(Number(port), String(user), String(password), String(clientId))
    running = publish(socket, String(topic), Number(everyMs))
  },
  async stop() {
    if (running === undefined) throw new Error('the device was not started')
    const { readings, delays, stop } = running
    await stop()
    const endMs = now()
    return {
      readings: readings.map(({ dueMs, acknowledgedMs }) => [dueMs, (acknowledgedMs ?? endMs) - dueMs]),
      unacknowledged: readings.filter(({ acknowledgedMs }) => acknowledgedMs === undefined).length,
      ownDelayP99Ms: delays.percentile(99) / 1e6,
    }
  },
})
