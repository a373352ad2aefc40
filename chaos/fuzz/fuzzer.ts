import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises'
import { generate } from 'mqtt-packet'
import { type Plan, planConnection } from './plan.js'
import { openWire, type Ports, type Wire } from './wire.js'

/** What is to be sent, and whither. */
export interface FuzzOptions extends Ports {
  /** What a connection sends depends on this and on its number, and on nothing else. */
  readonly seed: number
  readonly firstNumber: number
  /** At least so many of each. */
  readonly packets: number
  readonly connections: number
  /** Connections that are open at the same time. */
  readonly atOnce: number
  /** Told after each connection how many packets were sent; `false`: nobody is there any more. */
  readonly goesOn: (packets: number) => boolean
}

/** What was sent, and what came of it. */
export interface FuzzResult {
  readonly packets: number
  readonly connections: number
  /** Connections that had CONNACK 0, and those that the server ended before they had sent and asked everything. */
  readonly accepted: number
  readonly ended: number
  /** Packets that the server has taken for sure: an answer to them, or to one behind them, has come. */
  readonly taken: number
  /** Packets that the server has acknowledged, and messages that it has delivered. */
  readonly acknowledged: number
  readonly delivered: number
  /** What happened to connections that did nothing wrong. */
  readonly faults: readonly string[]
}

/** A minute: many times what a busy server takes to close a connection; less where none is owed. */
const CLOSED_WITHIN_MS = 60_000
const MAY_CLOSE_WITHIN_MS = 200

const DISCONNECT = generate({ cmd: 'disconnect' })

/** Runs what was planned, over some connections at a time. */
export async function fuzz(options: FuzzOptions): Promise<FuzzResult> {
  const faults: string[] = []
  const counts = {
    packets: 0,
    connections: 0,
    accepted: 0,
    ended: 0,
    taken: 0,
    acknowledged: 0,
    delivered: 0,
  }
  const isEnough = (): boolean =>
    counts.packets >= options.packets && counts.connections >= options.connections

  const run = async (): Promise<void> => {
    while (options.goesOn(counts.packets) && !isEnough()) {
      const number = options.firstNumber + counts.connections
      counts.connections += 1
      const plan = planConnection(options.seed, number)
      const wire = await openWire(options, plan.isWebSocket, plan.reads)
      if (wire === undefined) {
        faults.push(`connection ${number} was not accepted`)
        continue
      }
      const sent = await send(wire, plan)
      counts.packets += sent
      if (wire.isEnded) counts.ended += 1
      const fault = await finish(wire, plan)
      if (fault !== undefined) faults.push(`connection ${number}, which did nothing wrong, ${fault}`)
      const { isAccepted, pings, others, messages } = wire.answers
      if (isAccepted) counts.accepted += 1
      counts.taken += Math.max(plan.pings[Math.min(pings, plan.pings.length) - 1] ?? 0, others)
      counts.acknowledged += others
      counts.delivered += messages
    }
  }
  await Promise.all(Array.from({ length: options.atOnce }, run))
  return { ...counts, faults }
}

/** Sends all, until the connection ends, and waits for the answers if it is to; how many packets were sent. */
async function send(wire: Wire, plan: Plan): Promise<number> {
  let sent = 0
  for (const { bytes, pauseMs, packetsSoFar } of plan.parts) {
    if (pauseMs > 0) await delay(pauseMs)
    if (!wire.isOpen) return sent
    await wire.write(bytes)
    sent = packetsSoFar
    await nextTurn()
  }
  await wire.until(() => isAnswered(wire, plan), plan.patienceMs)
  return sent
}

function isAnswered({ answers }: Wire, { isValid, awaitedPings, otherRequests }: Plan): boolean {
  return answers.pings >= awaitedPings && (!isValid || answers.others >= otherRequests)
}

/** Ends the connection, if the server has not; what should not have been with one that was valid. */
async function finish(wire: Wire, plan: Plan): Promise<string | undefined> {
  const { pings, otherRequests, isValid, reads, ending } = plan
  if (isValid && !isAnswered(wire, plan)) {
    wire.destroy(false)
    const { answers } = wire
    return (
      `had answers to ${answers.pings} of ${pings.length} PINGREQs and ${answers.others} of ${otherRequests} others, ` +
      `and was ${wire.isEnded ? 'ended' : 'left waiting'}`
    )
  }
  if (ending === 'disconnect' && wire.isOpen) await wire.write(DISCONNECT)
  if (ending === 'half-closed' && wire.isOpen) wire.finish()
  const isServersTurn = reads && ending !== 'abrupt' && ending !== 'reset'
  if (isServersTurn) await wire.until(() => false, isValid ? CLOSED_WITHIN_MS : MAY_CLOSE_WITHIN_MS)
  const isLeft = isServersTurn && isValid && !wire.isEnded
  wire.destroy(ending === 'reset')
  return isLeft ? `was not closed by the server (${ending})` : undefined
}
