import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { connect as connectTcp } from 'node:net'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { connect as connectTls } from 'node:tls'
import { pathToFileURL } from 'node:url'
import { createClient } from '@libsql/client'
import { connectAsync, type MqttClient } from 'mqtt'
import { generate, parser } from 'mqtt-packet'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createWebSocketStream, WebSocket } from 'ws'
import { highestMiB } from '../support/memory.js'
import { ADMINISTRATOR, type Server, startServer } from '../support/server.js'

const SCHEMES = ['mqtt', 'mqtts', 'ws', 'wss'] as const
type Scheme = (typeof SCHEMES)[number]

const everyListener = { MQTTS_PORT: '0', WS_PORT: '0', WSS_PORT: '0' }

const caOf = (server: Server): Promise<Buffer> => readFile(join(server.folder, 'certs', 'ca.crt'))

async function connectMqtt(server: Server, scheme: Scheme): Promise<MqttClient> {
  const options = { ...ADMINISTRATOR, ca: await caOf(server), reconnectPeriod: 0 }
  const client = await connectAsync(`${scheme}://localhost:${server.port(scheme)}`, options, false)
  client.on('error', () => undefined) // seen as its close
  onTestFinished(() => void client.end(true))
  return client
}

/** A connection of the scheme, ready for bytes of MQTT. */
async function connectBytes(server: Server, scheme: Scheme): Promise<Duplex> {
  const port = server.port(scheme)
  const stream = await (async (): Promise<Duplex> => {
    if (scheme === 'mqtt') return connectTcp({ port, host: 'localhost' })
    const ca = await caOf(server)
    if (scheme === 'mqtts') return connectTls({ port, host: 'localhost', ca })
    const socket = new WebSocket(`${scheme}://localhost:${port}`, 'mqtt', { ca })
    await once(socket, 'open')
    const stream = createWebSocketStream(socket)
    socket.once('close', () => stream.destroy()) // it would stay half open
    return stream
  })()
  stream.on('error', () => undefined) // seen as its close
  onTestFinished(() => void stream.destroy())
  if (scheme === 'mqtt') await once(stream, 'connect')
  if (scheme === 'mqtts') await once(stream, 'secureConnect')
  return stream
}

/** Unlike `once`, it takes no notice of an error, which a connection that is cut off may end with. */
const event = (stream: Duplex, name: 'close' | 'drain'): Promise<void> =>
  new Promise((resolve) => stream.once(name, () => resolve()))

/** Sends a CONNECT and waits for its answer; the stream flows from then on. */
async function logIn(stream: Duplex, clientId = 'raw'): Promise<void> {
  stream.write(
    generate({
      cmd: 'connect',
      protocolId: 'MQTT',
      protocolVersion: 4,
      clean: true,
      clientId,
      keepalive: 0,
      username: ADMINISTRATOR.username,
      password: Buffer.from(ADMINISTRATOR.password),
    }),
  )
  await once(stream.resume(), 'data')
}

describe('MAX_PACKET_BYTES', () => {
  const MAX = 65_536
  const limited = { ...everyListener, MAX_PACKET_BYTES: `${MAX}` }
  /** Header, length bytes, topic and packet identifier of a QoS 1 publish of this size to `t`. */
  const AROUND_PAYLOAD = 1 + 3 + 3 + 2

  it('lets a packet of exactly that size through on each listener, and not one byte more', async () => {
    const server = await startServer(limited)
    for (const scheme of SCHEMES) {
      const client = await connectMqtt(server, scheme)
      await client.subscribeAsync('t')
      const payload = Buffer.alloc(MAX - AROUND_PAYLOAD, scheme)
      const echo = new Promise<Buffer>((resolve) => {
        client.once('message', (_topic, received) => resolve(received))
      })
      await client.publishAsync('t', payload, { qos: 1 })
      expect(payload.equals(await echo), scheme).toBe(true)
      const closed = new Promise<void>((resolve) => client.once('close', resolve))
      client.publish('t', Buffer.concat([payload, Buffer.alloc(1)]), { qos: 1 })
      await closed
    }
  })

  it('ends a connection that announces 200 MB at once, and keeps nothing of it', async () => {
    const server = await startServer(limited)
    const announcement = Buffer.from([0x30, 0x80, 0x84, 0xaf, 0x5f]) // 200,000,000 bytes
    const chunk = Buffer.alloc(32_768)
    const flood = async (scheme: Scheme): Promise<number> => {
      const stream = await connectBytes(server, scheme)
      await logIn(stream, scheme)
      const closed = event(stream, 'close')
      stream.write(announcement)
      let sent = 0
      while (!stream.destroyed && sent < 200_000_000) {
        sent += chunk.length
        if (!stream.write(chunk)) await Promise.race([event(stream, 'drain'), closed])
      }
      await closed
      return sent
    }
    for (const scheme of SCHEMES) await flood(scheme)
    const before = await highestMiB(server.pid)
    for (const scheme of SCHEMES) expect(await flood(scheme), scheme).toBeLessThan(100_000_000)
    expect((await highestMiB(server.pid)) - before).toBeLessThan(16)
    const faults = server.log.filter(({ fault }) => fault === 'packet too large [MAX_PACKET_BYTES]')
    expect(faults.map(({ transport }) => transport)).toEqual(['tcp', 'tls', 'ws', 'wss'])
  })

  it('ends a connection whose remaining length has a fifth byte, before its CONNECT as well', async () => {
    const server = await startServer(limited)
    for (const scheme of SCHEMES) {
      const stream = await connectBytes(server, scheme)
      const closed = event(stream.resume(), 'close')
      stream.write(Buffer.from([0x10, 0xff, 0xff, 0xff, 0xff, 0x01]))
      await closed
    }
    const faults = server.log.filter(
      ({ fault }) => fault === 'malformed remaining length [MQTT 3.1.1, 2.2.3]',
    )
    expect(faults).toMatchObject([{ transport: 'tcp', address: '127.0.0.1' }]) // once a minute for an address
  })
})

describe('MAX_CONNECTIONS', () => {
  it('counts all listeners together, closes one too many, and gives a place free again', async () => {
    const server = await startServer({ ...everyListener, MAX_CONNECTIONS: '3' })
    const clients: MqttClient[] = []
    for (const scheme of ['mqtt', 'mqtts', 'ws'] as const) clients.push(await connectMqtt(server, scheme))
    for (const scheme of SCHEMES) await expect(connectMqtt(server, scheme), scheme).rejects.toThrow()
    const refusals = server.log.filter(({ msg }) => msg === 'a connection was refused: MAX_CONNECTIONS')
    expect(refusals).toMatchObject([{ level: 'warn', maxConnections: 3 }])
    for (const [index, scheme] of SCHEMES.entries()) {
      await clients.shift()?.endAsync()
      // The server may see that end after this end of it has.
      const untilFree = async (): Promise<MqttClient> => {
        for (;;) {
          const client = await connectMqtt(server, scheme).catch(() => undefined)
          if (client !== undefined) return client
        }
      }
      clients.push(await untilFree())
      expect(clients, `${index}`).toHaveLength(3)
    }
    for (const client of clients) await client.publishAsync('a', 'still there', { qos: 1 })
  })
})

describe('A client that sends more than the database takes', () => {
  it.each(['mqtt', 'ws'] as const)(
    'is not read over %s until there is room, in bounded memory',
    async (scheme) => {
      const server = await startServer(everyListener)
      const bystander = await connectMqtt(server, 'mqtt')
      const database = createClient({
        url: pathToFileURL(join(server.folder, 'data', 'damselfly.db')).href,
        timeout: 20_000,
      })
      onTestFinished(() => database.close())
      const stream = await connectBytes(server, scheme)
      await logIn(stream)
      const acknowledged = new Promise<void>((resolve) => {
        const parse = parser()
        parse.on('packet', ({ messageId }) => messageId === COUNT && resolve())
        stream.on('data', (chunk: Buffer) => parse.parse(chunk))
      })
      const payload = `{"temperature":21.5}${' '.repeat(20_000)}`
      const before = await highestMiB(server.pid)
      const lock = await database.transaction('write')
      let taken = 0
      for (let messageId = 1; messageId <= COUNT; messageId += 1) {
        const flags = { qos: 1, retain: false, dup: false } as const
        stream.write(
          generate({ cmd: 'publish', topic: 'devices/eager/data', payload, messageId, ...flags }),
          () => {
            taken += 1
          },
        )
      }
      // It stands still when others are served, time and again, and it is not.
      for (let idle = 0, last = -1; idle < 100; idle = taken === last ? idle + 1 : 0) {
        last = taken
        await bystander.publishAsync('other', 'x', { qos: 1 })
      }
      expect(taken).toBeLessThan(COUNT * 0.6)
      expect((await highestMiB(server.pid)) - before).toBeLessThan(80)
      await lock.rollback()
      await acknowledged
    },
  )
})

/** Publishes of 20 kB: 100 MB. */
const COUNT = 5000
