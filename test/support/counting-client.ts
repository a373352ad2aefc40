import { generate, type IConnectPacket, type Packet, parser } from 'mqtt-packet'
import { onTestFinished } from 'vitest'
import { WebSocket } from 'ws'
import { connectRaw } from './raw-client.js'

/** A client that counts what it gets, and keeps no more of it than the payloads of messages, if it is to. */
export interface CountingClient {
  /** How many packets of a kind have come. */
  counted(cmd: Packet['cmd']): number
  readonly payloads: readonly string[]
  send(...packets: readonly Packet[]): void
  /** Resolves when `isThere` is true; asked at each packet. */
  until(isThere: () => boolean): Promise<void>
  /** Reads nothing more, or goes on. */
  pause(): void
  resume(): void
  /** Resolves when the connection has ended. */
  readonly closed: Promise<unknown>
}

/** How a client is to count. */
export interface CountingOptions extends Partial<IConnectPacket> {
  readonly keepsPayloads?: boolean
  /** Whether it answers PUBLISH of QoS 1. */
  readonly acknowledges?: boolean
  readonly transport?: 'mqtt' | 'ws'
}

/** Connects to 127.0.0.1 until the running test is over. */
export async function connectCounting(port: number, options: CountingOptions = {}): Promise<CountingClient> {
  const { keepsPayloads = false, acknowledges = false, transport = 'mqtt', ...connect } = options
  const counts = new Map<string, number>()
  const payloads: string[] = []
  const watchers = new Set<() => void>()
  const parse = parser({ protocolVersion: 4 })
  const take = (packet: Packet): void => {
    counts.set(packet.cmd, (counts.get(packet.cmd) ?? 0) + 1)
    if (packet.cmd === 'publish' && keepsPayloads) payloads.push(packet.payload.toString())
    if (packet.cmd === 'publish' && acknowledges && packet.qos === 1) {
      link.write(generate({ cmd: 'puback', messageId: packet.messageId ?? 0 }))
    }
    for (const watch of [...watchers]) watch()
  }
  parse.on('packet', take)
  const link = await (transport === 'ws' ? linkWebsocket : linkTcp)(port, connect, (bytes) => {
    parse.parse(bytes)
  })
  return {
    counted: (cmd) => counts.get(cmd) ?? 0,
    payloads,
    send: (...packets) => link.write(Buffer.concat(packets.map((packet) => generate(packet)))),
    until(isThere) {
      if (isThere()) return Promise.resolve()
      return new Promise((resolve, reject) => {
        const watch = (): void => {
          if (!isThere()) return
          watchers.delete(watch)
          resolve()
        }
        watchers.add(watch)
        void link.closed.then(() => reject(new Error(`the connection ended after ${[...counts].join(' ')}`)))
      })
    },
    pause: link.pause,
    resume: link.resume,
    closed: link.closed,
  }
}

interface Link {
  write(bytes: Buffer): void
  pause(): void
  resume(): void
  readonly closed: Promise<unknown>
}

type Connect = Partial<IConnectPacket>

async function linkTcp(port: number, connect: Connect, read: (bytes: Buffer) => void): Promise<Link> {
  const { socket, closed } = await connectRaw(port, connect)
  socket.removeAllListeners('data')
  socket.on('data', read)
  return {
    write: (bytes) => void socket.write(bytes),
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    closed,
  }
}

async function linkWebsocket(port: number, connect: Connect, read: (bytes: Buffer) => void): Promise<Link> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}`, 'mqtt')
  onTestFinished(() => socket.terminate())
  const closed = new Promise((resolve) => socket.once('close', resolve))
  socket.on('error', () => undefined) // seen by `closed`
  await new Promise((resolve) => socket.once('open', resolve))
  const answered = new Promise((resolve) => socket.once('message', resolve))
  const clientId = `ws-${Math.random().toString(36).slice(2)}`
  const whole = {
    cmd: 'connect',
    protocolId: 'MQTT',
    protocolVersion: 4,
    clean: true,
    clientId,
    keepalive: 0,
  } as const
  socket.send(generate({ ...whole, ...connect }))
  await answered // CONNACK
  socket.on('message', (data) => {
    if (Buffer.isBuffer(data)) read(data)
  })
  return {
    write: (bytes) => socket.send(bytes),
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    closed,
  }
}
