import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { connectPacket, publishPacket, subscribePacket } from '../support/packets.js'
import { isRecord, serveTasks } from '../support/worker.js'

/**
 * Publishes what was encoded beforehand, in rounds, and takes what is delivered. A round is one write of each
 * publisher, and the next begins when as many deliveries have come as one causes: so few are on their way that no
 * server has a reason to drop one, and what is counted did arrive. All deliveries are of one length, and are
 * counted by their bytes.
 */

/** Of a DHT11, as the firmware sends it. */
const PAYLOAD = '{"device_id":"AIOT-ESP32-00000001","sensor":"DHT11","temperature":24.4,"humidity":39.0}'

/** Messages that leave a publisher in one write. */
const TOGETHER = 10

/** Rounds on their way at the same time, so that the server never waits for this process. */
const ROUNDS_UNDER_WAY = 2

/** Writes of a publisher, in turn: a packet identifier comes again long after its message was acknowledged. */
const BATCHES = 20

/** A delivery that has not come by then was dropped. */
const STALLED_AFTER_MS = 20_000

interface Load {
  readonly publishers: readonly Socket[]
  readonly subscribers: readonly Socket[]
  readonly batches: readonly (readonly Buffer[])[]
  /** Deliveries that a round causes. */
  readonly perRound: number
  /** Called with each number of deliveries that have come. */
  taken: (deliveries: number) => void
}

let load: Load | undefined

async function logIn(port: number, clientId: string): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  await once(socket, 'connect')
  socket.write(connectPacket(clientId, 'admin', 'an administrator of benchmarks', 0))
  await expectAnswer(socket, Buffer.from([0x20, 2, 0, 0]))
  return socket
}

async function expectAnswer(socket: Socket, expected: Buffer): Promise<void> {
  const [answer] = await once(socket, 'data')
  if (Buffer.isBuffer(answer) && answer.equals(expected)) return
  throw new Error(`a client was answered ${String(answer)}`)
}

/** Takes deliveries of `length` bytes, and acknowledges those of one read together when they are of QoS 1. */
function takeDeliveries(socket: Socket, qos: 0 | 1, length: number, taken: (count: number) => void): void {
  const identifierAt = length - PAYLOAD.length - 2
  let rest: Buffer = Buffer.alloc(0)
  socket.on('data', (chunk: Buffer) => {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    const count = Math.floor(bytes.length / length)
    rest = bytes.subarray(count * length)
    if (qos === 1 && count > 0) {
      const pubacks = Buffer.alloc(count * 4)
      for (let at = 0; at < count; at += 1) {
        pubacks.writeUInt16BE(0x40_02, at * 4)
        bytes.copy(pubacks, at * 4 + 2, at * length + identifierAt, at * length + identifierAt + 2)
      }
      socket.write(pubacks)
    }
    taken(count)
  })
}

function encodeBatches(topic: string, qos: 0 | 1): readonly Buffer[] {
  return Array.from({ length: BATCHES }, (_, batch) =>
    Buffer.concat(
      Array.from({ length: TOGETHER }, (_, at) =>
        publishPacket(topic, qos === 1 ? 1 + batch * TOGETHER + at : undefined, PAYLOAD),
      ),
    ),
  )
}

const topicOf = (index: number): string => `bench/${String(index).padStart(3, '0')}/data`

/** Publishes so many rounds, and resolves when all they cause was delivered. */
function publishRounds(current: Load, rounds: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let begun = 0
    let delivered = 0
    let deliveredBefore = 0
    const stalled = setInterval(() => {
      if (delivered === deliveredBefore) end(new Error(`${delivered} of ${rounds * current.perRound} came`))
      deliveredBefore = delivered
    }, STALLED_AFTER_MS)
    const end = (error?: Error): void => {
      clearInterval(stalled)
      current.taken = () => undefined
      if (error === undefined) resolve()
      else reject(error)
    }
    const send = (): void => {
      for (const [index, publisher] of current.publishers.entries()) {
        publisher.write(current.batches[index]?.[begun % BATCHES] ?? '')
      }
      begun += 1
    }
    current.taken = (count) => {
      delivered += count
      const done = Math.floor(delivered / current.perRound)
      while (begun < rounds && begun < done + ROUNDS_UNDER_WAY) send()
      if (done >= rounds) end()
    }
    current.taken(0)
  })
}

serveTasks({
  async connect(input) {
    if (!isRecord(input)) throw new Error('no input')
    const { port, publishers: publishing, subscribers: subscribing, isPaired } = input
    const qos = input['qos'] === 1 ? 1 : 0
    const length = publishPacket(topicOf(0), qos === 1 ? 1 : undefined, PAYLOAD).length
    const publishers: Socket[] = []
    const subscribers: Socket[] = []
    for (let index = 0; index < Number(subscribing); index += 1) {
      const socket = await logIn(Number(port), `bench-to-${index}`)
      socket.write(subscribePacket(1, isPaired === true ? topicOf(index) : 'bench/+/data', qos))
      await expectAnswer(socket, Buffer.from([0x90, 3, 0, 1, qos]))
      takeDeliveries(socket, qos, length, (count) => load?.taken(count))
      subscribers.push(socket)
    }
    for (let index = 0; index < Number(publishing); index += 1) {
      const socket = await logIn(Number(port), `bench-from-${index}`)
      publishers.push(socket.resume())
    }
    const batches = publishers.map((_, index) => encodeBatches(topicOf(index), qos))
    const perMessage = isPaired === true ? 1 : subscribers.length
    const perRound = publishers.length * TOGETHER * perMessage
    load = { publishers, subscribers, batches, perRound, taken: () => undefined }
  },
  async publish(deliveries) {
    if (load === undefined) throw new Error('not connected')
    const rounds = Math.ceil(Number(deliveries) / load.perRound)
    await publishRounds(load, rounds)
    return rounds * load.perRound
  },
})
