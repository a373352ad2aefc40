import { createServer } from 'node:tls'
import type { Broker } from '../broker/broker.js'
import type { Gate } from './gate.js'
import { type ListenAddress, type Listener, listen } from './listener.js'

/** The server's certificate and its key, PEM. */
export interface KeyPair {
  readonly cert: string | Buffer
  readonly key: string | Buffer
}

/** A handshake is two round trips; an ESP32 needs about two seconds of its own for it. */
const HANDSHAKE_TIMEOUT_MS = 15_000

/** What every TLS listener of ours asks for. TLS 1.2 is what mbedTLS 2 on an ESP32 speaks. */
export function tlsOptions({ cert, key }: KeyPair) {
  return { cert, key, minVersion: 'TLSv1.2', handshakeTimeout: HANDSHAKE_TIMEOUT_MS } as const
}

/** MQTT over TLS. */
export function listenTls(
  address: ListenAddress,
  keyPair: KeyPair,
  gate: Gate,
  broker: Broker,
): Promise<Listener> {
  const server = createServer({ ...tlsOptions(keyPair), noDelay: true, keepAlive: true })
  server.prependListener('connection', (socket) => gate.admit(socket))
  server.on('secureConnection', (socket) => {
    broker.accept(socket, { transport: 'tls', address: socket.remoteAddress ?? '' })
  })
  // A failed handshake concerns its own connection, which TLS has closed by then.
  server.on('tlsClientError', (_error, socket) => socket.destroy())
  return listen(server, 'mqtts', 'MQTTS_PORT', address)
}
