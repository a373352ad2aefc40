import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { connect as connectTcp, type Socket } from 'node:net'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { connect as connectTls } from 'node:tls'
import { generate } from 'mqtt-packet'
import { expect, it, onTestFinished } from 'vitest'
import { createWebSocketStream, WebSocket } from 'ws'
import { connectRaw } from '../support/raw-client.js'
import { ADMINISTRATOR, type Server, startServer } from '../support/server.js'

const CONNECT = generate({
  cmd: 'connect',
  protocolId: 'MQTT',
  protocolVersion: 4,
  clean: true,
  clientId: 'slow'.repeat(30), // takes two minutes
  keepalive: 0,
})

const UPGRADE = Buffer.from(
  'GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: upgrade\r\n',
)

/** The beginning of a TLS record that is a ClientHello of 512 bytes. */
const CLIENT_HELLO = Buffer.from([22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3, ...new Array<number>(32).fill(7)])

const NOTHING = Buffer.alloc(0)

/** Sends a byte each second, for as long as the connection lasts. */
function trickle(stream: Duplex, bytes: Buffer): void {
  let sent = 0
  const timer = setInterval(() => {
    if (sent < bytes.length && !stream.destroyed) stream.write(bytes.subarray(sent, sent + 1))
    sent += 1
  }, 1000)
  stream.once('close', () => clearInterval(timer))
  onTestFinished(() => clearInterval(timer))
}

async function openTcp(port: number): Promise<Socket> {
  const socket = connectTcp({ port, host: '127.0.0.1' })
  await once(socket, 'connect')
  return socket
}

/** Connections that have come so far as a client can without saying anything of MQTT. */
async function openSecure(server: Server): Promise<Duplex> {
  const ca = await readFile(join(server.folder, 'certs', 'ca.crt'))
  const socket = connectTls({ port: server.port('mqtts'), host: 'localhost', ca })
  await once(socket, 'secureConnect')
  return socket
}

async function openWebsocket(server: Server): Promise<Duplex> {
  const socket = new WebSocket(`ws://127.0.0.1:${server.port('ws')}`, 'mqtt')
  await once(socket, 'open')
  const stream = createWebSocketStream(socket)
  socket.once('close', () => stream.destroy())
  return stream
}

it('who does not come to the end of a handshake, an upgrade or a CONNECT is cut off', async () => {
  const server = await startServer({ MQTTS_PORT: '0', WS_PORT: '0', WSS_PORT: '0' })
  const begun: readonly (readonly [what: string, stream: Duplex, bytes: Buffer])[] = [
    ['TCP: silent', await openTcp(server.port('mqtt')), NOTHING],
    ['TCP: a byte of CONNECT a second', await openTcp(server.port('mqtt')), CONNECT],
    ['TLS: silent', await openTcp(server.port('mqtts')), NOTHING],
    ['TLS: a byte of ClientHello a second', await openTcp(server.port('mqtts')), CLIENT_HELLO],
    ['TLS: silent after the handshake', await openSecure(server), NOTHING],
    ['TLS: a byte of CONNECT a second', await openSecure(server), CONNECT],
    ['WebSocket: silent', await openTcp(server.port('ws')), NOTHING],
    ['WebSocket: a byte of the upgrade a second', await openTcp(server.port('ws')), UPGRADE],
    ['WebSocket: silent after the upgrade', await openWebsocket(server), NOTHING],
    ['WebSocket: a byte of CONNECT a second', await openWebsocket(server), CONNECT],
    ['WSS: silent', await openTcp(server.port('wss')), NOTHING],
    ['WSS: a byte of ClientHello a second', await openTcp(server.port('wss')), CLIENT_HELLO],
  ]
  const open = new Set(begun.map(([what]) => what))
  const ends = begun.map(async ([what, stream, bytes]) => {
    stream.on('error', () => undefined)
    stream.resume()
    onTestFinished(() => void stream.destroy())
    trickle(stream, bytes)
    // Unlike `once`, it takes no notice of an error, which a connection that is cut off may end with.
    if (!stream.closed) await new Promise<void>((resolve) => stream.once('close', () => resolve()))
    open.delete(what)
  })
  await Promise.race([Promise.all(ends), once(AbortSignal.timeout(50_000), 'abort')])
  expect([...open]).toEqual([])
}, 60_000)

/** The kernel's line for the server's end of a connection: `02` and a time is the timer of its keep alive. */
async function timerOf(serverPort: number, clientPort: number): Promise<string | undefined> {
  const hex = (port: number): string => port.toString(16).toUpperCase().padStart(4, '0')
  const pattern = new RegExp(
    `: [0-9A-F]+:${hex(serverPort)} [0-9A-F]+:${hex(clientPort)} 01 \\S+ (\\d\\d:[0-9A-F]+)`,
  )
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    const found = pattern.exec(await readFile(table, 'utf8'))?.[1]
    if (found !== undefined) return found
  }
  return undefined
}

it('a peer that has vanished is found out by the kernel, also without a keep alive in its CONNECT', async () => {
  const server = await startServer({ MQTTS_PORT: '0', WS_PORT: '0', WSS_PORT: '0' })
  const login = { ...ADMINISTRATOR, password: Buffer.from(ADMINISTRATOR.password), keepalive: 0 }
  const { socket } = await connectRaw(server.port('mqtt'), login)
  const sockets = [
    [server.port('mqtt'), socket],
    ...(await Promise.all(
      (['mqtts', 'ws', 'wss'] as const).map(async (scheme) => {
        const port = server.port(scheme)
        return [port, await openTcp(port)] as const
      }),
    )),
  ] as const
  for (const [port, { localPort = 0 }] of sockets) {
    // The kernel has connected before the server has accepted.
    const timer = () => timerOf(port, localPort)
    await expect.poll(timer, { timeout: 20_000 }).toMatch(/^02:/)
    const ticks = (await timer())?.slice('02:'.length) ?? ''
    expect(Number.parseInt(ticks, 16)).toBeLessThanOrEqual(60 * 100) // of 10 ms
  }
})
