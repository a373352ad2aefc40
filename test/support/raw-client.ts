import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { generate, type IConnackPacket, type IConnectPacket, type Packet, parser } from 'mqtt-packet'
import { onTestFinished } from 'vitest'

/** A client that sends exactly what it is told to, and keeps what it gets in the order of its arrival. */
export interface RawClient {
  readonly socket: Socket
  readonly connack: IConnackPacket
  readonly received: readonly Packet[]
  /** Sends the packets in one write. */
  send(...packets: readonly Packet[]): void
  /** The first packet, past or to come, that the predicate accepts; rejects when the connection ends first. */
  next<P extends Packet>(accepts: (packet: Packet) => packet is P): Promise<P>
  /** Resolves when so many packets of a kind have come; rejects when the connection ends first. */
  count(cmd: Packet['cmd'], atLeast: number): Promise<readonly Packet[]>
  /** Resolves when the server has closed the connection. */
  readonly closed: Promise<unknown>
}

/** Connects to 127.0.0.1, from `localAddress`, until the running test is over. */
export async function connectRaw(
  port: number,
  options: Partial<IConnectPacket> = {},
  localAddress = '127.0.0.1',
): Promise<RawClient> {
  const socket = connect({ port, host: '127.0.0.1', localAddress, noDelay: true })
  onTestFinished(() => {
    socket.destroy()
  })
  const received: Packet[] = []
  const watchers = new Set<() => void>()
  const parse = parser({ protocolVersion: 4 })
  parse.on('packet', (packet: Packet) => {
    received.push(packet)
    for (const watch of [...watchers]) watch()
  })
  socket.on('data', (chunk) => parse.parse(chunk))
  socket.on('error', () => undefined) // seen by `closed`
  const closed = once(socket, 'close')

  const until = <T>(look: () => T | undefined, what: string): Promise<T> => {
    const known = look()
    if (known !== undefined) return Promise.resolve(known)
    const seen = new Promise<T>((resolve) => {
      const watch = (): void => {
        const found = look()
        if (found === undefined) return
        watchers.delete(watch)
        resolve(found)
      }
      watchers.add(watch)
    })
    const ended = closed.then((): never => {
      throw new Error(`the connection ended before ${what}; received ${received.length} packets`)
    })
    return Promise.race([seen, ended])
  }

  await once(socket, 'connect')
  socket.write(
    generate({
      cmd: 'connect',
      protocolId: 'MQTT',
      protocolVersion: 4,
      clean: true,
      clientId: `raw-${Math.random().toString(36).slice(2)}`,
      keepalive: 0,
      ...options,
    }),
  )
  const isConnack = (packet: Packet): packet is IConnackPacket => packet.cmd === 'connack'
  const connack = await until(() => received.find(isConnack), 'CONNACK')
  return {
    socket,
    connack,
    received,
    closed,
    send: (...packets) => {
      socket.write(Buffer.concat(packets.map((packet) => generate(packet))))
    },
    next: (accepts) => until(() => received.find(accepts), 'the packet came'),
    count: (cmd, atLeast) =>
      until(() => {
        const found = received.filter((packet) => packet.cmd === cmd)
        return found.length >= atLeast ? found : undefined
      }, `${atLeast} × ${cmd}`),
  }
}
