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
  readonly name: string
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

/** The two servers take turns, each in a process of its own that has served nothing else. */
async function runCase(context: Context, one: Case): Promise<Figure> {
  const server = await startServer(context)
  const aedes = startWorker(context, 'publish/bare-aedes.js')
  const listening = await aedes.ask('listen')
  if (!isRecord(listening)) throw new Error('bare Aedes does not listen')
  const { port, pid } = listening
  const bare = await measure(context, one, { name: 'bare Aedes', port: Number(port), pid: Number(pid) })
  const own = await measure(context, one, { name: 'Damselfly', ...server })
  await context.processes.end()
  return {
    what: `${one.name}, CPU a message`,
    unit: 'µs',
    value: own,
    reference: { what: 'bare Aedes', value: bare },
  }
}

/** CPU of the server for one message, in microseconds, user and system. */
async function measure(context: Context, one: Case, { name, port, pid }: Candidate): Promise<number> {
  const { qos, connections, together, messages } = one
  const load = startWorker(context, 'publish/load.js')
  await load.ask('connect', { port, connections, qos, together })
  await load.ask('publish', messages * WARM_UP_SHARE)
  const [before, beganMs] = [await cpuMicroseconds(pid), performance.now()]
  await load.ask('publish', messages)
  const [after, endedMs] = [await cpuMicroseconds(pid), performance.now()]
  await load.ask('leave')
  const each = (after - before) / messages
  const perSecond = (messages / (endedMs - beganMs)) * 1000
  context.say(`  ${name}: ${each.toFixed(2)} µs, ${Math.round(perSecond)} messages/s`)
  return each
}
