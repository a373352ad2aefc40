import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import {
  connectPacket,
  createPacketReader,
  PacketType,
  publishPacket,
  subscribePacket,
} from '../support/packets.js'
import { isRecord, serveTasks } from '../support/worker.js'

/**
 * Clients that listen to a topic of their own, and publish one after the other in turn: as many messages are on
 * their way at the same time, however many clients there are.
 */

/** Of a DHT11, as the firmware sends it. */
const PAYLOAD = '{"device_id":"AIOT-ESP32-00000001","sensor":"DHT11","temperature":24.4,"humidity":39.0}'

/** Messages on their way, each of another client. */
const UNDER_WAY = 100

/** Logins that are under way at one time: a storm is not what is measured. */
const LOGINS_TOGETHER = 100

/** A server that answers nothing for so long has lost something. */
const STALLED_AFTER_MS = 20_000

interface Client {
  readonly socket: Socket
  /** What it publishes, in turn. */
  readonly packets: readonly Buffer[]
  sent: number
}

let publishers: readonly Client[] = []
let acknowledged: () => void = () => undefined

async function logIn(port: number, login: unknown, index: number, topics: number): Promise<Client> {
  if (!Array.isArray(login)) throw new Error('no login')
  const clientId = `client-${index}`
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  await once(socket, 'connect')
  socket.write(connectPacket(clientId, String(login[0]), String(login[1]), 0))
  await expectAnswer(socket, Buffer.from([0x20, 2, 0, 0]))
  socket.write(subscribePacket(1, `bench/${clientId}/control`, 1))
  await expectAnswer(socket, Buffer.from([0x90, 3, 0, 1, 1]))
  socket.on(
    'data',
    createPacketReader(({ type }) => {
      if (type === PacketType.puback) acknowledged()
    }),
  )
  const packets = Array.from({ length: topics }, (_, at) =>
    publishPacket(`bench/${clientId}/data/${at}`, at + 1, PAYLOAD),
  )
  return { socket, packets, sent: 0 }
}

async function expectAnswer(socket: Socket, expected: Buffer): Promise<void> {
  const [answer] = await once(socket, 'data')
  if (Buffer.isBuffer(answer) && answer.equals(expected)) return
  throw new Error(`a client was answered ${String(answer)}`)
}

function publish(count: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let sent = 0
    let answered = 0
    let answeredBefore = 0
    const stalled = setInterval(() => {
      if (answered === answeredBefore) reject(new Error(`${answered} of ${count} were acknowledged`))
      answeredBefore = answered
    }, STALLED_AFTER_MS)
    const send = (): void => {
      const client = publishers[sent % publishers.length]
      sent += 1
      if (client === undefined) return
      client.socket.write(client.packets[client.sent % client.packets.length] ?? '')
      client.sent += 1
    }
    acknowledged = () => {
      answered += 1
      if (sent < count) send()
      if (answered < count) return
      clearInterval(stalled)
      resolve()
    }
    for (let at = 0; at < UNDER_WAY; at += 1) send()
  })
}

serveTasks({
  async connect(input) {
    if (!isRecord(input) || !Array.isArray(input['logins'])) throw new Error('no input')
    const [port, topics] = [Number(input['port']), Number(input['topics'])]
    const logins: readonly unknown[] = input['logins']
    const connected: Client[] = []
    for (let at = 0; at < logins.length; at += LOGINS_TOGETHER) {
      const together = logins.slice(at, at + LOGINS_TOGETHER)
      connected.push(...(await Promise.all(together.map((login, by) => logIn(port, login, at + by, topics)))))
    }
    publishers = connected.slice(0, Number(input['publishers']))
  },
  publish: (count) => publish(Number(count)),
})
