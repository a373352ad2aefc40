import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { generate, type Packet, parser } from 'mqtt-packet'
import { describe, expect, it, onTestFinished } from 'vitest'
import { WebSocket } from 'ws'
import { ADMINISTRATOR, type Server, startServer } from '../support/server.js'

const CONNECT = generate({
  cmd: 'connect',
  protocolId: 'MQTT',
  protocolVersion: 4,
  clean: true,
  clientId: 'page',
  keepalive: 0,
  username: ADMINISTRATOR.username,
  password: Buffer.from(ADMINISTRATOR.password),
})

const PINGREQ = generate({ cmd: 'pingreq' })

/** Asks for an upgrade; resolves with the status of the answer, 101 when the connection is open. */
async function upgrade(server: Server, scheme: 'ws' | 'wss', origin?: string, protocols = ['mqtt']) {
  const ca = await readFile(join(server.folder, 'certs', 'ca.crt'))
  const url = `${scheme}://localhost:${server.port(scheme)}`
  const socket = new WebSocket(url, protocols, { ca, ...(origin === undefined ? {} : { origin }) })
  onTestFinished(() => socket.terminate())
  const status = await new Promise<number | undefined>((resolve, reject) => {
    socket.once('open', () => resolve(101))
    socket.once('unexpected-response', (_request, response: IncomingMessage) => resolve(response.statusCode))
    socket.once('error', reject)
  })
  return { socket, status }
}

/** An open WebSocket with what came on it, frame by frame. */
async function open(server: Server) {
  const { socket } = await upgrade(server, 'ws')
  const packets: Packet[] = []
  const incoming = parser()
  incoming.on('packet', (packet) => packets.push(packet))
  let isBinaryOnly = true
  socket.on('message', (data: Buffer, isBinary) => {
    isBinaryOnly &&= isBinary
    incoming.parse(data)
  })
  const until = async (count: number): Promise<readonly Packet[]> => {
    while (packets.length < count) await once(socket, 'message')
    return packets
  }
  return { socket, until, isBinaryOnly: () => isBinaryOnly }
}

const closeCode = async (socket: WebSocket): Promise<unknown> => (await once(socket, 'close'))[0]

describe('A WebSocket', () => {
  it('[MQTT-6.0.0-1] that carries a text frame is closed with 1003, and nothing of it is taken', async () => {
    const server = await startServer({ WS_PORT: '0' })
    const early = await open(server)
    early.socket.send(CONNECT.toString('latin1'))
    expect(await closeCode(early.socket)).toBe(1003)
    const late = await open(server)
    late.socket.send(CONNECT)
    await late.until(1)
    late.socket.send(PINGREQ.toString('latin1'))
    late.socket.send(PINGREQ)
    expect(await closeCode(late.socket)).toBe(1003)
    expect(await late.until(1)).toHaveLength(1)
    expect(server.log.filter(({ msg }) => msg === 'a WebSocket was refused')).toMatchObject([
      { level: 'warn', reason: 'a text frame' },
    ])
  })

  it('[MQTT-6.0.0-2] carries packets that span frames, and frames that hold several packets', async () => {
    const server = await startServer({ WS_PORT: '0' })
    const spanned = await open(server)
    for (const byte of CONNECT) spanned.socket.send(Buffer.of(byte))
    await spanned.until(1)
    const half = Math.ceil(PINGREQ.length / 2)
    spanned.socket.send(PINGREQ.subarray(0, half), { fin: false })
    spanned.socket.send(PINGREQ.subarray(half), { fin: true })
    expect((await spanned.until(2)).map(({ cmd }) => cmd)).toEqual(['connack', 'pingresp'])
    const together = await open(server)
    together.socket.send(CONNECT)
    await together.until(1)
    together.socket.send(Buffer.concat([PINGREQ, PINGREQ]))
    expect((await together.until(3)).map(({ cmd }) => cmd)).toEqual(['connack', 'pingresp', 'pingresp'])
    expect(together.isBinaryOnly()).toBe(true)
  })

  it('[MQTT-6.0.0-4] is given the subprotocol of MQTT that it asks for, and none that is another', async () => {
    const server = await startServer({ WS_PORT: '0' })
    const chosen = async (...protocols: string[]): Promise<unknown> => {
      const { socket, status } = await upgrade(server, 'ws', undefined, protocols)
      return status === 101 ? socket.protocol : status
    }
    expect(await chosen('mqtt')).toBe('mqtt')
    expect(await chosen('mqttv3.1')).toBe('mqttv3.1')
    expect(await chosen('chat', 'mqtt')).toBe('mqtt')
    expect(await chosen('chat')).toBe(400)
    expect(await chosen()).toBe('') // some small clients ask for none
  })

  it('answers a ping with a pong, before its CONNECT and after, and a close with a close', async () => {
    const server = await startServer({ WS_PORT: '0' })
    const { socket, until } = await open(server)
    socket.ping('early')
    expect(String((await once(socket, 'pong'))[0])).toBe('early')
    socket.send(CONNECT)
    await until(1)
    socket.ping('late')
    expect(String((await once(socket, 'pong'))[0])).toBe('late')
    socket.close(1000)
    expect(await closeCode(socket)).toBe(1000)
  })
})

describe.each(['ws', 'wss'] as const)('WS_ORIGINS over %s', (scheme) => {
  it('lets pages of those web sites in and no other, and whoever is no browser', async () => {
    const server = await startServer({
      WS_PORT: '0',
      WSS_PORT: '0',
      WS_ORIGINS: 'https://school.example, http://localhost:5173',
    })
    const statusFor = async (origin?: string) => (await upgrade(server, scheme, origin)).status
    expect(await statusFor('https://school.example')).toBe(101)
    expect(await statusFor('http://localhost:5173')).toBe(101)
    expect(await statusFor()).toBe(101)
    expect(await statusFor('https://other.example')).toBe(403)
    expect(await statusFor('http://school.example')).toBe(403)
    expect(await statusFor('https://school.example.evil.example')).toBe(403)
    expect(await statusFor('null')).toBe(403)
    expect(server.log.filter(({ msg }) => msg === 'a WebSocket was refused')).toMatchObject([
      { reason: 'an origin that is not in WS_ORIGINS', value: 'https://other.example' },
    ])
  })

  it('absent lets every page in', async () => {
    const server = await startServer({ WS_PORT: '0', WSS_PORT: '0' })
    expect((await upgrade(server, scheme, 'https://other.example')).status).toBe(101)
  })
})
