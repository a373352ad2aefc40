import { createServer } from 'node:net'
import type { Broker } from '../broker/broker.js'
import type { Gate } from './gate.js'
import { type ListenAddress, type Listener, listen, socketOptions } from './listener.js'
import { readIntoSharedBuffer } from './shared-read-buffer.js'

/** MQTT over TCP. */
export function listenTcp(address: ListenAddress, gate: Gate, broker: Broker): Promise<Listener> {
  const server = createServer(socketOptions, (socket) => {
    if (!gate.admit(socket, 'tcp')) return
    readIntoSharedBuffer(socket)
    broker.accept(socket, { transport: 'tcp', address: socket.remoteAddress ?? '' })
  })
  return listen(server, 'mqtt', 'MQTT_PORT', address)
}
