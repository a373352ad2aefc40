import type { Socket } from 'node:net'
import type { WebSocketDuplex } from 'websocket-stream'
import { createPacketCutter } from '../mqtt/packet-cutter.js'

/**
 * Makes each packet that is written to `stream` a frame of its own. A frame may hold several [MQTT-6.0.0-4], but Paho
 * for Python does not see those behind the first until more comes. Frames that are written together are one call of
 * the kernel: `connection` is the socket under the WebSocket.
 */
export function framePackets(stream: WebSocketDuplex, connection: Socket): void {
  const { socket } = stream
  const cutter = createPacketCutter()
  const send = (bytes: Buffer, done: (error?: Error | null) => void): void => {
    const packets = socket.readyState === socket.OPEN ? cutter.cut(bytes) : []
    const last = packets.at(-1)
    if (last === undefined) {
      done()
      return
    }
    connection.cork()
    for (const packet of packets) socket.send(packet, packet === last ? done : undefined)
    connection.uncork()
  }
  stream._write = (chunk: Buffer, _encoding, done) => send(chunk, done)
  stream._writev = (writes, done) => send(Buffer.concat(writes.map(({ chunk }) => chunk)), done)
}
