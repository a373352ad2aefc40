import type { Socket } from 'node:net'
import { connectPacket, PINGREQ, publishPacket, pubrelPacket } from '../support/packets.js'
import { isRecord, serveTasks } from '../support/worker.js'
import { type Transport, transports } from './transport.js'

/**
 * Publishes what was encoded beforehand, as fast as it is taken: what is counted was consumed, as the next goes out
 * when the one before was answered. Answers are counted by their bytes, since there are no others.
 */

/** Also of a PUBREC and a PUBCOMP. */
const PUBACK_BYTES = 4
const PINGRESP_BYTES = 2

/** Of a DHT11, as the firmware sends it. */
const PAYLOAD = '{"device_id":"AIOT-ESP32-00000001","sensor":"DHT11","temperature":24.4,"humidity":39.0}'

/** On their way at the same time from one connection, so that the server never waits for this process. */
const BATCHES_UNDER_WAY = 4

/** A client of the server. */
interface Connection {
  readonly socket: Socket
  /** How many bytes of answers there are in what came. */
  readonly bytesOf: (chunk: Buffer) => number
}

interface Load {
  readonly connections: readonly Connection[]
  readonly pack: Transport['pack']
  readonly qos: 0 | 1 | 2
  /** Messages that leave in one write. */
  readonly together: number
}

let load: Load | undefined

const ACCEPTED = Buffer.from([0x20, 2, 0, 0])

async function logIn(transport: Transport, port: number, clientId: string): Promise<Connection> {
  const socket = await transport.open(port)
  const bytesOf = transport.meter()
  socket.write(transport.pack(connectPacket(clientId, 'admin', 'an administrator of benchmarks', 0)))
  const answer = await new Promise<Buffer>((resolve) => {
    const chunks: Buffer[] = []
    let bytes = 0
    const take = (chunk: Buffer): void => {
      chunks.push(chunk)
      bytes += bytesOf(chunk)
      if (bytes < ACCEPTED.length) return
      socket.off('data', take)
      resolve(Buffer.concat(chunks))
    }
    socket.on('data', take)
  })
  if (!answer.subarray(-ACCEPTED.length).equals(ACCEPTED)) {
    throw new Error(`a publisher was answered ${answer.toString('hex')}`)
  }
  return { socket, bytesOf }
}

/** So many messages as one write; those of QoS 0 end with a PINGREQ, by whose answer they are known to be read. */
function encodeBatch({ qos, together, pack }: Load, index: number, firstIdentifier: number): Buffer {
  const topic = `bench/${index}/data`
  const messages = Array.from({ length: together }, (_, at) =>
    pack(publishPacket(topic, qos > 0 ? firstIdentifier + at : undefined, PAYLOAD, qos === 2 ? 2 : 1)),
  )
  return Buffer.concat(qos > 0 ? messages : [...messages, pack(PINGREQ)])
}

/** Many messages a read: each connection has several batches under way. */
async function publishBatches(load: Load, count: number): Promise<void> {
  const { connections, qos, together } = load
  const perSocket = Math.ceil(count / connections.length / together)
  const answerBytes = qos === 1 ? together * PUBACK_BYTES : PINGRESP_BYTES
  await Promise.all(
    connections.map(async (connection, index) => {
      const { socket } = connection
      const batches = Array.from({ length: BATCHES_UNDER_WAY }, (_, at) =>
        encodeBatch(load, index, 1 + at * together),
      )
      let sent = 0
      const send = (): void => {
        const batch = batches[sent % batches.length]
        if (batch !== undefined && sent < perSocket) socket.write(batch)
        sent += 1
      }
      const answered = countBytes(connection, answerBytes, perSocket, send)
      for (let at = 0; at < BATCHES_UNDER_WAY; at += 1) send()
      await answered
    }),
  )
}

/** At QoS 2: so many messages of a connection, and when all of them were received, their release. */
async function publishAndRelease(load: Load, count: number): Promise<void> {
  const { connections, together, pack } = load
  const perSocket = 2 * Math.ceil(count / connections.length / together)
  const release = Buffer.concat(Array.from({ length: together }, (_, at) => pack(pubrelPacket(1 + at))))
  await Promise.all(
    connections.map(async (connection, index) => {
      const writes = [encodeBatch(load, index, 1), release]
      let sent = 0
      const send = (): void => {
        if (sent < perSocket) connection.socket.write(writes[sent % 2] ?? '')
        sent += 1
      }
      const answered = countBytes(connection, together * PUBACK_BYTES, perSocket, send)
      send()
      await answered
    }),
  )
}

/** One message a read, at QoS 1: each connection sends its next when it has its acknowledgement. */
async function publishSingly(load: Load, count: number): Promise<void> {
  const { connections } = load
  const perSocket = Math.ceil(count / connections.length)
  await Promise.all(
    connections.map(async (connection, index) => {
      const { socket } = connection
      const message = encodeBatch(load, index, 1)
      let sent = 0
      const send = (): void => {
        if (sent < perSocket) socket.write(message)
        sent += 1
      }
      const answered = countBytes(connection, PUBACK_BYTES, perSocket, send)
      send()
      await answered
    }),
  )
}

/**
 * One message a read, at QoS 0, which has no answer: one from each connection, and then a PINGREQ on the last, whose
 * answer begins the next round.
 */
async function publishRounds({ connections, pack }: Load, count: number): Promise<void> {
  const publishers = connections.slice(0, -1)
  const [marker] = connections.slice(-1)
  if (marker === undefined) throw new Error('no connections')
  const messages = publishers.map((_, index) =>
    pack(publishPacket(`bench/${index}/data`, undefined, PAYLOAD)),
  )
  const rounds = Math.ceil(count / publishers.length)
  const send = (): void => {
    for (const [index, { socket }] of publishers.entries()) socket.write(messages[index] ?? '')
    marker.socket.write(pack(PINGREQ))
  }
  let begun = 1
  const answered = countBytes(marker, PINGRESP_BYTES, rounds, () => {
    if (begun < rounds) send()
    begun += 1
  })
  send()
  await answered
}

/** Resolves when `times` answers of `bytes` have come; `each` is called after every one. */
function countBytes(
  { socket, bytesOf }: Connection,
  bytes: number,
  times: number,
  each: () => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let received = 0
    let seen = 0
    const close = (): void => reject(new Error('the server closed the connection'))
    const take = (chunk: Buffer): void => {
      received += bytesOf(chunk)
      for (; received >= bytes; received -= bytes) {
        seen += 1
        each()
      }
      if (seen < times) return
      socket.off('data', take).off('close', close)
      resolve()
    }
    socket.on('data', take).once('close', close)
  })
}

serveTasks({
  async connect(input) {
    if (!isRecord(input)) throw new Error('no input')
    const { port, connections: count, qos, together } = input
    const name = String(input['transport'] ?? 'mqtt')
    const transport = transports[name]
    if (transport === undefined) throw new Error(`no such transport: ${name}`)
    const connections: Connection[] = []
    for (let index = 0; index < Number(count); index += 1)
      connections.push(await logIn(transport, Number(port), `bench-${name}-${index}`))
    load = {
      connections,
      pack: transport.pack,
      qos: qos === 1 || qos === 2 ? qos : 0,
      together: Number(together),
    }
  },
  async publish(count) {
    if (load === undefined) throw new Error('not connected')
    if (load.qos === 2) await publishAndRelease(load, Number(count))
    else if (load.together > 1) await publishBatches(load, Number(count))
    else if (load.qos === 1) await publishSingly(load, Number(count))
    else await publishRounds(load, Number(count))
  },
  async leave() {
    for (const { socket } of load?.connections ?? []) socket.destroy()
    load = undefined
  },
})
