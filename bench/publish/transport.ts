import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'

/** How the packets of a client travel. */
export interface Transport {
  open(port: number): Promise<Socket>
  /** A packet as it is written; it may be written as often as one likes. */
  pack(packet: Buffer): Buffer
  /** For one connection: how many bytes of packets there are in what came. */
  meter(): (chunk: Buffer) => number
}

const plain = {
  pack: (packet: Buffer) => packet,
  meter: () => (chunk: Buffer) => chunk.length,
}

/** By the names of the server's listeners. */
export const transports: Readonly<Record<string, Transport>> = {
  mqtt: {
    ...plain,
    async open(port) {
      const socket = connect({ port, host: '127.0.0.1', noDelay: true })
      await once(socket, 'connect')
      return socket
    },
  },
  mqtts: {
    ...plain,
    async open(port) {
      // Whom it speaks to is not what is measured: the certificate is the server's own, made a second ago.
      const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false })
      await once(socket, 'secureConnect')
      socket.setNoDelay(true)
      return socket
    },
  },
  ws: { open: openWebSocket, pack: frame, meter: createFrameMeter },
}

const UPGRADE = [
  'GET / HTTP/1.1',
  'Host: 127.0.0.1',
  'Upgrade: websocket',
  'Connection: Upgrade',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Protocol: mqtt',
  'Sec-WebSocket-Key: ZGFtc2VsZmx5IGJlbmNoLg==',
  '\r\n',
].join('\r\n')

async function openWebSocket(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  await once(socket, 'connect')
  socket.write(UPGRADE)
  const [answer] = await once(socket, 'data')
  if (!String(answer).startsWith('HTTP/1.1 101')) throw new Error(`no WebSocket: ${String(answer)}`)
  return socket
}

/** A binary message in one frame. Its masking key is zero, which leaves a packet as it is. (RFC 6455, 5.2, 5.3) */
function frame(packet: Buffer): Buffer {
  const length =
    packet.length < 126 ? [0x80 | packet.length] : [0x80 | 126, packet.length >> 8, packet.length & 255]
  return Buffer.concat([Buffer.from([0x82, ...length, 0, 0, 0, 0]), packet])
}

/** Frames of a server are not masked, and those of acknowledgements have less than 64 KiB. (RFC 6455, 5.2) */
function createFrameMeter(): (chunk: Buffer) => number {
  let header: number[] = []
  let left = 0
  return (chunk) => {
    let payload = 0
    for (let at = 0; at < chunk.length; ) {
      if (left > 0) {
        const taken = Math.min(left, chunk.length - at)
        payload += taken
        left -= taken
        at += taken
        continue
      }
      header.push(chunk[at] ?? 0)
      at += 1
      const [, short = 127, high = 0, low = 0] = header
      if (header.length < (short === 126 ? 4 : 2)) continue
      left = short === 126 ? high * 256 + low : short
      header = []
    }
    return payload
  }
}
