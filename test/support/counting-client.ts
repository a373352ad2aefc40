import { once } from 'node:events'
import { connect as openSocket } from 'node:net'
import { generate, type IConnectPacket, type Packet, parser } from 'mqtt-packet'
import { onTestFinished } from 'vitest'
import { WebSocket } from 'ws'

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
  link.begin()
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
  /** From now on what comes is read, and what came before. */
  begin(): void
  readonly closed: Promise<unknown>
}

type Connect = Partial<IConnectPacket>

/** What comes in one read with the CONNACK counts as well. */
async function linkTcp(port: number, connect: Connect, read: (bytes: Buffer) => void): Promise<Link> {
  const socket = openSocket({ port, host: '127.0.0.1', noDelay: true })
  onTestFinished(() => void socket.destroy())
  socket.on('error', () => undefined) // seen by `closed`
  const closed = once(socket, 'close')
  const early: Buffer[] = []
  let take = (bytes: Buffer): void => void early.push(bytes)
  socket.on('data', (bytes) => take(bytes))
  const answered = once(socket, 'data')
  socket.write(generate({ ...plainConnect('tcp'), ...connect }))
  const refused = closed.then((): never => {
    throw new Error('the connection ended before CONNACK')
  })
  await Promise.race([answered, refused])
  refused.catch(() => undefined) // whoever waits for more looks at `closed`
  return {
    write: (bytes) => void socket.write(bytes),
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    begin() {
      take = read
      for (const bytes of early) read(bytes)
    },
    closed,
  }
}

function plainConnect(name: string): IConnectPacket {
  const clientId = `${name}-${Math.random().toString(36).slice(2)}`
  return { cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clean: true, clientId, keepalive: 0 }
}

async function linkWebsocket(port: number, connect: Connect, read: (bytes: Buffer) => void): Promise<Link> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}`, 'mqtt')
  onTestFinished(() => socket.terminate())
  const closed = new Promise((resolve) => socket.once('close', resolve))
  socket.on('error', () => undefined) // seen by `closed`
  await new Promise((resolve) => socket.once('open', resolve))
  const answered = new Promise((resolve) => socket.once('message', resolve))
  socket.send(generate({ ...plainConnect('ws'), ...connect }))
  await answered // CONNACK
  socket.on('message', (data) => {
    if (Buffer.isBuffer(data)) read(data)
  })
  return {
    write: (bytes) => socket.send(bytes),
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    begin: () => undefined,
    closed,
  }
}
