import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Login, mosquittoUsers } from '../logins/population.js'
import type { Context, Figure, Scenario } from '../scenario.js'
import { cpuMicroseconds } from '../support/cpu.js'
import { startMosquitto } from '../support/mosquitto.js'
import { type Server, startServer } from '../support/server.js'
import { startWorker } from '../support/worker.js'
import { measureHistory } from './history.js'
import { generalRules, mixedRules, type Rules } from './rules.js'

/** What a server has, and who publishes to it. */
interface Size {
  readonly name: string
  /** Connections. */
  readonly clients: number
  /** How many of these publish, one after the other; the others are only there. */
  readonly publishers: number
  /** Topics that each publishes on in turn; more than an access decision is remembered for, or one. */
  readonly topics: number
  /** The lines of `acl.conf`. */
  readonly rules: readonly string[]
  /** Whether all clients log in as one user. */
  readonly isOneUser: boolean
}

/** Two sizes that take the same load. */
interface Case {
  readonly name: string
  readonly small: Size
  readonly large: Size
  /** Whether Mosquitto takes the same load, without rules: what of the growth is the machine's. */
  readonly hasMosquitto: boolean
}

/** Starts the server that is measured, in the context's folder. */
type Start = (context: Context, size: Size) => Promise<Server>

const USER = 'user-0'
const MESSAGES = 60_000

/** Code that has run often is compiled by then. */
const WARM_UP = 40_000

/** The messages of a run, in so many parts; the two servers take turns. */
const TURNS = 6

const cases: readonly Case[] = [
  {
    name: 'connected devices',
    small: withClients(100, 100),
    large: withClients(10_000, 10_000),
    hasMosquitto: true,
  },
  {
    name: 'connected devices, of which 100 publish',
    small: withClients(100, 100),
    large: withClients(10_000, 100),
    hasMosquitto: true,
  },
  {
    name: 'rules, most of other users',
    small: withRules(10, mixedRules(USER)),
    large: withRules(10_000, mixedRules(USER)),
    hasMosquitto: false,
  },
  {
    name: 'rules for everyone',
    small: withRules(10, generalRules),
    large: withRules(10_000, generalRules),
    hasMosquitto: false,
  },
]

/** What a message costs as devices and rules grow, or, where a number of rows is given, the history. */
export const growth: Scenario = {
  name: 'growth',
  about:
    'CPU a message with 100 and 10,000 devices, 10 and 10,000 rules; with --rows N, as the history grows',
  async run(context) {
    if (context.rows !== undefined) return measureHistory(context, context.rows)
    const figures: Figure[] = []
    for (const [index, one] of cases.entries()) {
      context.say(one.name)
      const folder = join(context.folder, String(index))
      figures.push(...(await runCase({ ...context, folder }, one)))
    }
    return figures
  },
}

function withClients(clients: number, publishers: number): Size {
  const name = clients.toLocaleString('en')
  return { name, clients, publishers, topics: 1, rules: generalRules(1), isOneUser: false }
}

function withRules(count: number, rules: Rules): Size {
  const name = count.toLocaleString('en')
  return { name, clients: 100, publishers: 100, topics: 200, rules: rules(count), isOneUser: true }
}

async function runCase(context: Context, one: Case): Promise<readonly Figure[]> {
  const { name, small, large, hasMosquitto } = one
  const damselfly = await compare(context, one, startDamselfly)
  const what = `${large.name} ${name}, CPU a message`
  const reference = { what: small.name, value: damselfly.few }
  const own: Figure = { what, unit: 'µs', value: damselfly.many, reference }
  if (!hasMosquitto) return [own]
  const mosquitto = await compare(context, one, startMosquittoAlone)
  return [
    own,
    { ...own, reference: { what: 'Mosquitto', value: mosquitto.many } },
    {
      what: `Mosquitto: ${what}`,
      unit: 'µs',
      value: mosquitto.many,
      reference: { what: small.name, value: mosquitto.few },
    },
  ]
}

/** Microseconds a message at both sizes; the two servers take turns. */
async function compare(
  context: Context,
  { small, large }: Case,
  start: Start,
): Promise<{ readonly few: number; readonly many: number }> {
  const measured = [await begin(context, small, start), await begin(context, large, start)] as const
  for (let turn = 0; turn < TURNS; turn += 1) for (const { measure } of measured) await measure()
  const [few, many] = [measured[0].each(), measured[1].each()]
  const server = start === startDamselfly ? 'Damselfly' : 'Mosquitto'
  context.say(`  ${server}, ${small.name}: ${few.toFixed(2)} µs, ${large.name}: ${many.toFixed(2)} µs`)
  if (start !== startDamselfly) for (const { kill } of measured) kill()
  await context.processes.end()
  return { few, many }
}

const startMosquittoAlone: Start = (context) => startMosquitto(context)

const startDamselfly: Start = (context, size) =>
  startServer(context, { MAX_CONNECTIONS: String(2 * size.clients) })

/** Starts a server of this size, and connects its clients. */
async function begin(context: Context, size: Size, start: Start) {
  const folder = join(context.folder, size.name)
  await mkdir(folder, { recursive: true })
  const users = await mosquittoUsers(folder, size.isOneUser ? 1 : size.clients)
  await writeFile(join(folder, 'config', 'acl.conf'), `${size.rules.join('\n')}\n`)
  const { port, pid } = await start({ ...context, folder }, size)
  const load = startWorker(context, 'growth/load.js')
  const logins = Array.from({ length: size.clients }, (_, index): Login | undefined => {
    return users[index % users.length]
  })
  await load.ask('connect', { port, logins, topics: size.topics, publishers: size.publishers })
  await load.ask('publish', WARM_UP)
  let took = 0
  return {
    async measure(): Promise<void> {
      const before = await cpuMicroseconds(pid)
      await load.ask('publish', MESSAGES / TURNS)
      took += (await cpuMicroseconds(pid)) - before
    },
    /** Microseconds a message. */
    each: (): number => took / MESSAGES,
    kill: () => void process.kill(pid, 'SIGKILL'),
  }
}
