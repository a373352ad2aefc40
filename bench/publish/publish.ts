import type { Context, Figure, Scenario } from '../scenario.js'
import { cpuMicroseconds } from '../support/cpu.js'
import { startServer } from '../support/server.js'
import { isRecord, startWorker } from '../support/worker.js'

/** How messages come. */
interface Case {
  readonly name: string
  readonly qos: 0 | 1
  readonly connections: number
  /** Messages that leave their client in one write. */
  readonly together: number
  readonly messages: number
}

/** A server under measurement. */
interface Candidate {
  readonly port: number
  readonly pid: number
}

const cases: readonly Case[] = [
  { name: 'QoS 0, many a read', qos: 0, connections: 4, together: 100, messages: 600_000 },
  { name: 'QoS 1, many a read', qos: 1, connections: 4, together: 100, messages: 400_000 },
  { name: 'QoS 0, one a read', qos: 0, connections: 201, together: 1, messages: 150_000 },
  { name: 'QoS 1, one a read', qos: 1, connections: 200, together: 1, messages: 100_000 },
]

/** Code that has run often is compiled by then. */
const WARM_UP_SHARE = 0.5

/** The messages of a run, in so many parts. */
const TURNS = 5

/** What a message without a subscriber costs here, beside what it costs in Aedes alone. */
export const publish: Scenario = {
  name: 'publish',
  about: 'CPU a message that nobody subscribes to and nothing is stored of, beside bare Aedes',
  async run(context) {
    const figures: Figure[] = []
    for (const one of cases) {
      context.say(one.name)
      figures.push(await runCase(context, one))
    }
    return figures
  },
}

/** The two servers take turns, so that what else the machine does falls to both; neither has served anything else. */
async function runCase(context: Context, one: Case): Promise<Figure> {
  const server = await startServer(context)
  const aedes = startWorker(context, 'publish/bare-aedes.js')
  const listening = await aedes.ask('listen')
  if (!isRecord(listening)) throw new Error('bare Aedes does not listen')
  const { port, pid } = listening
  const bare: Candidate = { port: Number(port), pid: Number(pid) }
  const measured = await Promise.all([bare, server].map((candidate) => begin(context, one, candidate)))
  for (let turn = 0; turn < TURNS; turn += 1) for (const { measure } of measured) await measure()
  const [ofBare = Number.NaN, ofServer = Number.NaN] = measured.map(({ each }) => each())
  context.say(`  bare Aedes: ${ofBare.toFixed(2)} µs, Damselfly: ${ofServer.toFixed(2)} µs`)
  await context.processes.end()
  return {
    what: `${one.name}, CPU a message`,
    unit: 'µs',
    value: ofServer,
    reference: { what: 'bare Aedes', value: ofBare },
  }
}

/** Connects a load to a server, and measures what CPU the server takes for its messages, user and system. */
async function begin(context: Context, one: Case, { port, pid }: Candidate) {
  const { qos, connections, together, messages } = one
  const load = startWorker(context, 'publish/load.js')
  await load.ask('connect', { port, connections, qos, together })
  await load.ask('publish', messages * WARM_UP_SHARE)
  let took = 0
  return {
    async measure(): Promise<void> {
      const before = await cpuMicroseconds(pid)
      await load.ask('publish', messages / TURNS)
      took += (await cpuMicroseconds(pid)) - before
    },
    /** Microseconds a message. */
    each: (): number => took / messages,
  }
}
