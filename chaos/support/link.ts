import { once } from 'node:events'
import { connect } from 'node:net'
import { generate, type IConnackPacket, type IConnectPacket, type Packet, parser } from 'mqtt-packet'

/** One MQTT connection. What is to outlive it is kept by whoever made it. */
export interface Link {
  readonly connack: IConnackPacket
  readonly isOpen: boolean
  /** Whether the other side does not read what was sent. */
  readonly isFull: boolean
  /** Sends the packets in one write; nothing when the connection has ended. */
  send(...packets: readonly Packet[]): void
  /** Ends it as a lost connection does. */
  destroy(): void
  /** Resolves when it has ended, whoever ended it. */
  readonly closed: Promise<void>
}

/** A client as CONNECT names it. */
export interface LinkOptions
  extends Pick<IConnectPacket, 'clientId' | 'clean' | 'keepalive' | 'username' | 'password'> {
  readonly port: number
  /** Told every packet after CONNACK, in the order of arrival; the first may come before the link is there. */
  readonly onPacket: (packet: Packet, send: Link['send']) => void
}

/** Connects to 127.0.0.1. Rejects when nobody listens there, or CONNECT is refused or not answered. */
export async function openLink({ port, onPacket, ...client }: LinkOptions): Promise<Link> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  socket.on('error', () => undefined) // seen by `closed`
  const refused = closed.then((): never => {
    throw new Error('the connection ended before CONNACK')
  })
  refused.catch(() => undefined) // seen by whoever waits
  await Promise.race([once(socket, 'connect'), refused])
  const send: Link['send'] = (...packets) => {
    if (socket.writable) socket.write(Buffer.concat(packets.map((packet) => generate(packet))))
  }
  const parse = parser({ protocolVersion: 4 })
  const connack = new Promise<IConnackPacket>((resolve) => {
    parse.on('packet', (packet: Packet) => {
      if (packet.cmd === 'connack') resolve(packet)
      else onPacket(packet, send)
    })
  })
  socket.on('data', (chunk) => parse.parse(chunk))
  const protocol = { protocolId: 'MQTT', protocolVersion: 4 } as const
  socket.write(generate({ cmd: 'connect', ...protocol, keepalive: 0, ...client }))
  const answer = await Promise.race([connack, refused])
  if (answer.returnCode !== 0) {
    socket.destroy()
    throw new Error(`CONNACK ${answer.returnCode}`)
  }
  return {
    connack: answer,
    get isOpen() {
      return !socket.destroyed && socket.writable
    },
    get isFull() {
      return socket.writableNeedDrain
    },
    send,
    destroy: () => void socket.destroy(),
    closed,
  }
}
