import { once } from 'node:events'
import { connect } from 'node:net'
import type { Duplex } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { parser } from 'mqtt-packet'
import { createWebSocketStream, WebSocket } from 'ws'
import type { Random } from '../../test/support/random.js'
import { holdsWithin } from '../support/wait.js'
import { type Plan, planConnection } from './plan.js'

/** What is to be sent, and whither. */
export interface FuzzOptions {
  readonly port: number
  readonly websocketPort: number
  /** At least so many of each. */
  readonly packets: number
  readonly connections: number
  readonly random: Random
  /** Told now and then how many packets were sent. */
  readonly progress: (packets: number) => void
}

/** What was sent. */
export interface FuzzResult {
  readonly packets: number
  readonly connections: number
  /** Connections that the server ended before everything was sent. */
  readonly cutOff: number
  /** What happened to connections that did nothing wrong. */
  readonly faults: readonly string[]
}

const AT_ONCE = 50
const PACKETS_A_WRITE = 20

/** Most connections that are spoiled end early. */
const MOST_PACKETS = 400

const ONE_IN_SO_MANY_IS_A_WEBSOCKET = 10
const ANSWERED_WITHIN_MS = 60_000

/** Sends what was planned at random, over some connections at a time. */
export async function fuzz(options: FuzzOptions): Promise<FuzzResult> {
  const { random } = options
  const faults: string[] = []
  let packets = 0
  let connections = 0
  let cutOff = 0

  const run = async (): Promise<void> => {
    while (packets < options.packets || connections < options.connections) {
      connections += 1
      const number = connections
      const plan = planConnection(random, number, 1 + random.below(MOST_PACKETS))
      const stream = await open(options, number)
      if (stream === undefined) {
        faults.push(`connection ${number} was not accepted`)
        continue
      }
      const isAnswered = plan.isValid ? watchAnswers(stream) : undefined
      const sent = await send(stream, plan, random)
      packets += sent
      if (sent < plan.packets.length) cutOff += 1
      options.progress(packets)
      if (isAnswered !== undefined && !(await isAnswered(plan.pings))) {
        faults.push(`connection ${number}, which did nothing wrong, was not answered`)
      }
      stream.destroy()
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, run))
  return { packets, connections, cutOff, faults }
}

async function open({ port, websocketPort }: FuzzOptions, number: number): Promise<Duplex | undefined> {
  try {
    if (number % ONE_IN_SO_MANY_IS_A_WEBSOCKET > 0) {
      const socket = connect({ port, host: '127.0.0.1', noDelay: true })
      await once(socket, 'connect')
      socket.on('error', () => undefined)
      return socket
    }
    const socket = new WebSocket(`ws://127.0.0.1:${websocketPort}`, 'mqtt')
    await once(socket, 'open')
    const stream = createWebSocketStream(socket)
    stream.on('error', () => undefined)
    socket.once('close', () => stream.destroy())
    return stream
  } catch {
    return undefined
  }
}

/** How many packets were sent until the connection ended. */
async function send(stream: Duplex, { packets, reads, isCut }: Plan, random: Random): Promise<number> {
  if (reads) stream.resume()
  for (let sent = 0; sent < packets.length; sent += PACKETS_A_WRITE) {
    const bytes = Buffer.concat(packets.slice(sent, sent + PACKETS_A_WRITE))
    for (const part of isCut ? cut(bytes, random) : [bytes]) {
      if (stream.destroyed) return sent
      if (!stream.write(part)) await drained(stream)
      await nextTurn()
    }
  }
  return packets.length
}

function* cut(bytes: Buffer, random: Random): Generator<Buffer> {
  let from = 0
  while (from < bytes.length) {
    const to = from + 1 + random.below(1500)
    yield bytes.subarray(from, to)
    from = to
  }
}

function drained(stream: Duplex): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      stream.off('drain', done)
      stream.off('close', done)
      resolve()
    }
    stream.once('drain', done)
    stream.once('close', done)
    if (stream.destroyed) done()
  })
}

/** Counts the PINGRESPs that come, until `isAnswered` has as many as are due. */
function watchAnswers(stream: Duplex): (due: number) => Promise<boolean> {
  let answers = 0
  const parse = parser({ protocolVersion: 4 })
  parse.on('packet', ({ cmd }) => {
    if (cmd === 'pingresp') answers += 1
  })
  parse.on('error', () => stream.destroy())
  stream.on('data', (data: Buffer) => parse.parse(data))
  return async (due) => {
    await holdsWithin(ANSWERED_WITHIN_MS, () => stream.destroyed || answers === due)
    return answers === due
  }
}
