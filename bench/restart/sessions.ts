import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import {
  connectPacket,
  createPacketReader,
  DISCONNECT,
  type Packet,
  PacketType,
  pubackPacket,
  publishPacket,
  subscribePacket,
} from '../support/packets.js'
import { isRecord, serveTasks } from '../support/worker.js'

/** Clients whose sessions are kept: they subscribe and leave, and come back for what was queued for them. */

/** Where the sessions are, how many there are, and how many messages are for each. */
interface Sessions {
  readonly port: number
  readonly count: number
  readonly messagesEach: number
}

/** Connections that are opened, or messages that are on their way, at one time. */
const CONNECTIONS_TOGETHER = 100
const MESSAGES_TOGETHER = 1000

/** What has not come by then is not waited for. */
const DELIVERED_WITHIN_MS = 60_000

const topicOf = (session: number): string => `sessions/${session}`

/** All of 127.0.0.0/8 is this machine. (RFC 1122, 3.2.1.3) */
const addressOf = (session: number): string => `127.1.${session >> 8}.${session & 255}`

/** Connects, and resolves when it is let in; `take` is given every packet after that. */
async function open(
  port: number,
  clientId: string,
  localAddress: string,
  keepsSession: boolean,
  take: (packet: Packet, socket: Socket) => void,
): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', localAddress, noDelay: true })
  await once(socket, 'connect')
  const accepted = new Promise<void>((resolve, reject) => {
    socket.once('close', () => reject(new Error('the server closed a connection')))
    const read = createPacketReader((packet) => {
      if (packet.type !== PacketType.connack) take(packet, socket)
      else if (packet.body[1] === 0) resolve()
      else reject(new Error(`a client was answered ${packet.body[1]}`))
    })
    socket.on('data', read)
  })
  socket.write(connectPacket(clientId, 'admin', 'an administrator of benchmarks', 0, keepsSession))
  await accepted
  return socket
}

async function inGroups(
  count: number,
  together: number,
  each: (index: number) => Promise<unknown>,
): Promise<void> {
  for (let at = 0; at < count; at += together) {
    const length = Math.min(together, count - at)
    await Promise.all(Array.from({ length }, (_, offset) => each(at + offset)))
  }
}

/** Makes the sessions, each with a subscription to a topic of its own. */
async function subscribe({ port, count }: Sessions): Promise<void> {
  await inGroups(count, CONNECTIONS_TOGETHER, async (session) => {
    let subscribed: () => void = () => undefined
    const granted = new Promise<void>((resolve) => {
      subscribed = resolve
    })
    const socket = await open(port, `session-${session}`, addressOf(session), true, ({ type }) => {
      if (type === PacketType.suback) subscribed()
    })
    socket.write(subscribePacket(1, topicOf(session), 1))
    await granted
    const closed = once(socket, 'close')
    socket.end(DISCONNECT)
    await closed
  })
}

/** Publishes to those who are away, and resolves when all is acknowledged. */
async function queue({ port, count, messagesEach }: Sessions): Promise<void> {
  let acknowledged: () => void = () => undefined
  const socket = await open(port, 'publisher', '127.0.0.1', false, ({ type }) => {
    if (type === PacketType.puback) acknowledged()
  })
  const all = count * messagesEach
  for (let at = 0; at < all; at += MESSAGES_TOGETHER) {
    const length = Math.min(MESSAGES_TOGETHER, all - at)
    const packets = Array.from({ length }, (_, offset) =>
      publishPacket(topicOf((at + offset) % count), offset + 1, String(at + offset)),
    )
    const answered = new Promise<void>((resolve) => {
      let left = length
      acknowledged = () => {
        left -= 1
        if (left === 0) resolve()
      }
    })
    socket.write(Buffer.concat(packets))
    await answered
  }
  socket.destroy()
}

/** Comes back for all of them; how long it took until everything was there, and what came twice. */
async function receive({ port, count, messagesEach }: Sessions): Promise<object> {
  const firstMs = performance.now()
  const seen = new Set<string>()
  let received = 0
  let end: () => void = () => undefined
  const complete = new Promise<void>((resolve) => {
    end = resolve
  })
  const take = ({ type, body }: Packet, socket: Socket): void => {
    if (type !== PacketType.publish) return
    const topicEnd = 2 + body.readUInt16BE(0)
    socket.write(pubackPacket(body.readUInt16BE(topicEnd)))
    seen.add(body.toString('latin1', topicEnd + 2))
    received += 1
    if (seen.size === count * messagesEach) end()
  }
  await inGroups(count, CONNECTIONS_TOGETHER, (session) =>
    open(port, `session-${session}`, addressOf(session), true, take),
  )
  const connectedMs = performance.now() - firstMs
  const limit = setTimeout(end, DELIVERED_WITHIN_MS)
  await complete
  clearTimeout(limit)
  return { tookMs: performance.now() - firstMs, connectedMs, distinct: seen.size, received }
}

function sessionsOf(input: unknown): Sessions {
  if (!isRecord(input)) throw new Error('no input')
  return {
    port: Number(input['port']),
    count: Number(input['count']),
    messagesEach: Number(input['messagesEach']),
  }
}

serveTasks({
  subscribe: (input) => subscribe(sessionsOf(input)),
  queue: (input) => queue(sessionsOf(input)),
  receive: (input) => receive(sessionsOf(input)),
})
