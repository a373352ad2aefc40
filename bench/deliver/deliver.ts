import type { Context, Figure, Scenario } from '../scenario.js'
import { cpuMicroseconds } from '../support/cpu.js'
import { startMosquitto } from '../support/mosquitto.js'
import { type Server, startServer } from '../support/server.js'
import { isRecord, startWorker } from '../support/worker.js'

/** Who publishes to whom. */
interface Case {
  readonly name: string
  readonly qos: 0 | 1
  readonly publishers: number
  readonly subscribers: number
  /** Whether each publisher has a subscriber of its own; otherwise all have all. */
  readonly isPaired: boolean
  readonly deliveries: number
}

const cases: readonly Case[] = [
  { name: 'fan-in 10 → 1', qos: 0, publishers: 10, subscribers: 1, isPaired: false, deliveries: 100_000 },
  { name: 'fan-out 1 → 100', qos: 0, publishers: 1, subscribers: 100, isPaired: false, deliveries: 300_000 },
  { name: 'QoS 1 → QoS 1', qos: 1, publishers: 10, subscribers: 10, isPaired: true, deliveries: 50_000 },
]

/** A server with its load. */
interface Measured {
  /** Has a part of the deliveries made, and counts what CPU the server takes for them. */
  measure(): Promise<void>
  /** Microseconds a delivery. */
  each(): number
}

/** Code that has run often is compiled by then. */
const WARM_UP_SHARE = 0.5

/** The deliveries of a run, in so many parts. */
const TURNS = 5

/** What a message costs from its publisher to its subscriber, beside Aedes alone and Mosquitto. */
export const deliver: Scenario = {
  name: 'deliver',
  about: 'CPU a delivery: fan-in, fan-out, QoS 1 to QoS 1, beside bare Aedes and Mosquitto',
  async run(context) {
    const figures: Figure[] = []
    for (const one of cases) {
      context.say(one.name)
      figures.push(...(await runCase(context, one)))
    }
    return figures
  },
}

/** The servers take turns, so that what else the machine does falls to all; none has served anything else. */
async function runCase(context: Context, one: Case): Promise<readonly Figure[]> {
  const mosquitto = await startMosquitto(context)
  try {
    const servers = [await startServer(context), await startBareAedes(context), mosquitto]
    const measured: Measured[] = []
    for (const server of servers) measured.push(await begin(context, one, server))
    for (let turn = 0; turn < TURNS; turn += 1) for (const { measure } of measured) await measure()
    const [value = Number.NaN, ofAedes = Number.NaN, ofMosquitto = Number.NaN] = measured.map(({ each }) =>
      each(),
    )
    const [shown, aedesShown, mosquittoShown] = [value, ofAedes, ofMosquitto].map((each) => each.toFixed(2))
    context.say(`  Damselfly: ${shown} µs, bare Aedes: ${aedesShown} µs, Mosquitto: ${mosquittoShown} µs`)
    const what = `${one.name}, CPU a delivery`
    return [
      { what, unit: 'µs', value, reference: { what: 'Mosquitto', value: ofMosquitto } },
      { what, unit: 'µs', value, reference: { what: 'bare Aedes', value: ofAedes } },
    ]
  } finally {
    process.kill(mosquitto.pid, 'SIGKILL')
    await context.processes.end()
  }
}

async function startBareAedes(context: Context): Promise<Server> {
  const listening = await startWorker(context, 'publish/bare-aedes.js').ask('listen')
  if (!isRecord(listening)) throw new Error('bare Aedes does not listen')
  return { port: Number(listening['port']), pid: Number(listening['pid']) }
}

/** Connects a load to a server, whose CPU is counted with that of the system for it. */
async function begin(context: Context, one: Case, { port, pid }: Server): Promise<Measured> {
  const { qos, publishers, subscribers, isPaired, deliveries } = one
  const load = startWorker(context, 'deliver/load.js')
  await load.ask('connect', { port, publishers, subscribers, isPaired, qos })
  await load.ask('publish', deliveries * WARM_UP_SHARE)
  let took = 0
  let delivered = 0
  return {
    async measure() {
      const before = await cpuMicroseconds(pid)
      delivered += Number(await load.ask('publish', deliveries / TURNS))
      took += (await cpuMicroseconds(pid)) - before
    },
    each: () => took / delivered,
  }
}
