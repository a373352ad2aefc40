import { createServer, type IncomingMessage, type Server } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { Socket } from 'node:net'
import websocket from 'websocket-stream'
import type { Broker } from '../broker/broker.js'
import type { Peer } from '../broker/connection.js'
import type { ServedCertificates } from './certificates.js'
import type { Gate } from './gate.js'
import { type ListenAddress, type Listener, listen, socketOptions } from './listener.js'
import { tlsOptions, tlsSide } from './tls.js'
import { framePackets } from './websocket-frames.js'

/** How the WebSocket listeners are to work. */
export interface WebsocketOptions {
  /** A frame may hold as much as a packet, and no more [MQTT-6.0.0-2]. */
  readonly maxPacketBytes: number
  /** The web sites whose pages may connect; none: all. Who is no browser sends no origin, and may connect. */
  readonly origins: readonly string[]
}

/** The subprotocols a client may ask for [MQTT-6.0.0-3]; the second is MQTT 3.1's. */
const SUBPROTOCOLS = ['mqtt', 'mqttv3.1']

/** The close code for a kind of frame that is not spoken here (RFC 6455, 7.4.1). */
const UNSUPPORTED_DATA = 1003

/** What may lie unread in a connection before its socket is no longer read. */
const MAX_UNREAD_BYTES = 65_536

/** An upgrade request is one packet; whoever takes longer is no client. */
const UPGRADE_TIMEOUT_MS = 10_000

const httpOptions = {
  ...socketOptions,
  headersTimeout: UPGRADE_TIMEOUT_MS,
  requestTimeout: UPGRADE_TIMEOUT_MS,
  connectionsCheckingInterval: 1000, // Node looks every 30 s
} as const

/** What a peer may take for its side of the closing handshake, before its socket is destroyed. */
const CLOSE_TIMEOUT_MS = 2000

/** MQTT over WebSocket. */
export function listenWebsocket(
  address: ListenAddress,
  options: WebsocketOptions,
  gate: Gate,
  broker: Broker,
): Promise<Listener> {
  const server = createServer(httpOptions)
  const peerOf = (socket: Socket): Peer => ({ transport: 'ws', address: socket.remoteAddress ?? '' })
  serve(server, 'ws', peerOf, options, gate, broker)
  return listen(server, 'ws', 'WS_PORT', address)
}

/** MQTT over WebSocket over TLS. */
export async function listenSecureWebsocket(
  address: ListenAddress,
  certificates: ServedCertificates,
  options: WebsocketOptions,
  gate: Gate,
  broker: Broker,
): Promise<Listener> {
  const server = createSecureServer({ ...tlsOptions(certificates), ...httpOptions })
  const { peerOf, renew } = tlsSide(server, 'wss', certificates, gate)
  serve(server, 'wss', peerOf, options, gate, broker)
  return { ...(await listen(server, 'wss', 'WSS_PORT', address)), renew }
}

function serve(
  server: Server,
  transport: 'ws' | 'wss',
  peerOf: (socket: Socket) => Peer | undefined,
  options: WebsocketOptions,
  gate: Gate,
  broker: Broker,
): void {
  server.prependListener('connection', (socket) => gate.admit(socket, transport))
  server.on('request', (_request, response) => {
    response.writeHead(426, { 'content-type': 'text/plain', connection: 'close', upgrade: 'websocket' })
    response.end('MQTT over WebSocket is spoken here: connect with an MQTT client, subprotocol mqtt.\n')
  })
  const serverOptions = {
    server,
    maxPayload: options.maxPacketBytes,
    perMessageDeflate: false, // MQTT packets are too small to gain from it
    handleProtocols: (offered: Set<string>) => SUBPROTOCOLS.find((name) => offered.has(name)) ?? false,
    verifyClient: verifyWith(options.origins, gate),
    closeTimeout: CLOSE_TIMEOUT_MS, // of ws 8.19, which its types lack
  }
  const sockets = new websocket.Server(serverOptions)
  sockets.on('error', () => undefined) // the HTTP server's own, repeated here; `listen` sees to them
  sockets.on('stream', (stream, request) => {
    const peer = peerOf(request.socket)
    if (peer === undefined) {
      stream.destroy()
      request.socket.destroy() // it is owed no closing handshake
      return
    }
    refuseText(stream, (text) => gate.refuseWebsocket('a text frame', text, peer.address))
    limitUnread(stream)
    framePackets(stream, request.socket)
    broker.accept(stream, peer)
  })
}

/** Answers whether an upgrade may go on, and the HTTP status where it may not. */
type Verify = (
  client: { readonly origin: string; readonly req: IncomingMessage },
  answer: (mayGoOn: boolean, status?: number, text?: string) => void,
) => void

function verifyWith(origins: readonly string[], gate: Gate): Verify {
  return ({ origin, req }, answer) => {
    const offered = req.headers['sec-websocket-protocol']?.split(',').map((name) => name.trim())
    const refuse = (status: number, reason: string, value: string | undefined): void => {
      gate.refuseWebsocket(reason, value, req.socket.remoteAddress)
      answer(false, status, reason)
    }
    if (origins.length > 0 && origin !== undefined && !origins.includes(origin.toLowerCase())) {
      refuse(403, 'an origin that is not in WS_ORIGINS', origin)
    } else if (offered !== undefined && !offered.some((name) => SUBPROTOCOLS.includes(name))) {
      refuse(400, 'no subprotocol mqtt', offered.join(', '))
    } else answer(true)
  }
}

/** MQTT is sent in binary frames; any other ends the connection, unread [MQTT-6.0.0-1]. */
function refuseText(stream: websocket.WebSocketDuplex, onRefusal: (text: string) => void): void {
  const { socket } = stream
  const read = stream.read.bind(stream)
  let isRefused = false
  socket.prependListener('message', (data: Buffer, isBinary: boolean) => {
    if (isBinary || isRefused) return
    isRefused = true
    onRefusal(data.toString())
    socket.close(UNSUPPORTED_DATA)
    stream.destroy()
  })
  stream.read = (size?: number): unknown => (isRefused ? null : read(size))
}

/**
 * The stream takes every message into its buffer, however little of it is read; so its socket is paused
 * while more than 64 KiB are unread, and goes on at the next read.
 */
function limitUnread(stream: websocket.WebSocketDuplex): void {
  const { socket } = stream
  const read = stream.read.bind(stream)
  let unreadBytes = 0
  socket.on('message', (data: Buffer) => {
    unreadBytes += data.length
    if (unreadBytes > MAX_UNREAD_BYTES) socket.pause()
  })
  stream.once('close', () => {
    // The peer's side of the closing handshake comes behind all that it has sent, which nobody reads any more;
    // who goes on sending does not want to hear of it.
    unreadBytes = 0
    socket.removeAllListeners('message')
    socket.on('message', (data: Buffer) => {
      unreadBytes += data.length
      if (unreadBytes > MAX_UNREAD_BYTES) socket.terminate()
    })
    socket.resume()
  })
  stream.read = (size?: number): unknown => {
    const chunk: unknown = read(size)
    if (chunk instanceof Uint8Array) unreadBytes -= chunk.length
    if (socket.isPaused && unreadBytes <= MAX_UNREAD_BYTES) socket.resume()
    return chunk
  }
}
