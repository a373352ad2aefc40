import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { connectPacket, PINGREQ, publishPacket } from '../support/packets.js'
import { isRecord, serveTasks } from '../support/worker.js'

/**
 * Publishes what was encoded beforehand, as fast as it is taken: what is counted was consumed, as the next goes out
 * when the one before was answered. Answers are counted by their bytes, since there are no others.
 */

const PUBACK_BYTES = 4
const PINGRESP_BYTES = 2

/** Of a DHT11, as the firmware sends it. */
const PAYLOAD = '{"device_id":"AIOT-ESP32-00000001","sensor":"DHT11","temperature":24.4,"humidity":39.0}'

/** On their way at the same time from one connection, so that the server never waits for this process. */
const BATCHES_UNDER_WAY = 4

interface Load {
  readonly sockets: readonly Socket[]
  readonly qos: 0 | 1
  /** Messages that leave in one write. */
  readonly together: number
}

let load: Load | undefined

async function logIn(port: number, index: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  await once(socket, 'connect')
  socket.write(connectPacket(`bench-${index}`, 'admin', 'an administrator of benchmarks', 0))
  const [answer] = await once(socket, 'data')
  if (!(Buffer.isBuffer(answer) && answer.equals(Buffer.from([0x20, 2, 0, 0])))) {
    throw new Error(`a publisher was answered ${String(answer)}`)
  }
  return socket
}

/** So many messages as one write; those of QoS 0 end with a PINGREQ, by whose answer they are known to be read. */
function encodeBatch(index: number, qos: 0 | 1, together: number, firstIdentifier: number): Buffer {
  const topic = `bench/${index}/data`
  const messages = Array.from({ length: together }, (_, at) =>
    publishPacket(topic, qos === 1 ? firstIdentifier + at : undefined, PAYLOAD),
  )
  return Buffer.concat(qos === 1 ? messages : [...messages, PINGREQ])
}

/** Many messages a read: each connection has several batches under way. */
async function publishBatches({ sockets, qos, together }: Load, count: number): Promise<void> {
  const perSocket = Math.ceil(count / sockets.length / together)
  const answerBytes = qos === 1 ? together * PUBACK_BYTES : PINGRESP_BYTES
  await Promise.all(
    sockets.map(async (socket, index) => {
      const batches = Array.from({ length: BATCHES_UNDER_WAY }, (_, at) =>
        encodeBatch(index, qos, together, 1 + at * together),
      )
      let sent = 0
      const send = (): void => {
        const batch = batches[sent % batches.length]
        if (batch !== undefined && sent < perSocket) socket.write(batch)
        sent += 1
      }
      const answered = countBytes(socket, answerBytes, perSocket, send)
      for (let at = 0; at < BATCHES_UNDER_WAY; at += 1) send()
      await answered
    }),
  )
}

/** One message a read, at QoS 1: each connection sends its next when it has its acknowledgement. */
async function publishSingly({ sockets }: Load, count: number): Promise<void> {
  const perSocket = Math.ceil(count / sockets.length)
  await Promise.all(
    sockets.map(async (socket, index) => {
      const message = encodeBatch(index, 1, 1, 1)
      let sent = 0
      const send = (): void => {
        if (sent < perSocket) socket.write(message)
        sent += 1
      }
      const answered = countBytes(socket, PUBACK_BYTES, perSocket, send)
      send()
      await answered
    }),
  )
}

/**
 * One message a read, at QoS 0, which has no answer: one from each connection, and then a PINGREQ on the last, whose
 * answer begins the next round.
 */
async function publishRounds({ sockets }: Load, count: number): Promise<void> {
  const publishers = sockets.slice(0, -1)
  const [marker] = sockets.slice(-1)
  if (marker === undefined) throw new Error('no connections')
  const messages = publishers.map((_, index) => publishPacket(`bench/${index}/data`, undefined, PAYLOAD))
  const rounds = Math.ceil(count / publishers.length)
  const send = (): void => {
    for (const [index, socket] of publishers.entries()) socket.write(messages[index] ?? '')
    marker.write(PINGREQ)
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
function countBytes(socket: Socket, bytes: number, times: number, each: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    let received = 0
    let seen = 0
    const close = (): void => reject(new Error('the server closed the connection'))
    const take = (chunk: Buffer): void => {
      received += chunk.length
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
    const { port, connections, qos, together } = input
    const sockets: Socket[] = []
    for (let index = 0; index < Number(connections); index += 1)
      sockets.push(await logIn(Number(port), index))
    load = { sockets, qos: qos === 1 ? 1 : 0, together: Number(together) }
  },
  async publish(count) {
    if (load === undefined) throw new Error('not connected')
    if (load.together > 1) await publishBatches(load, Number(count))
    else if (load.qos === 1) await publishSingly(load, Number(count))
    else await publishRounds(load, Number(count))
  },
  async leave() {
    for (const socket of load?.sockets ?? []) socket.destroy()
    load = undefined
  },
})
