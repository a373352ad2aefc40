import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Context, Figure, Scenario } from '../scenario.js'
import { startBareAedes } from '../support/bare-aedes.js'
import { cpuMicroseconds } from '../support/cpu.js'
import { startMosquitto } from '../support/mosquitto.js'
import { type Server, startServer } from '../support/server.js'
import { isRecord, startWorker } from '../support/worker.js'
import { type Database, openMariadb, openSqlite } from './database.js'
import { addFleet, type FleetDevice } from './fleet.js'

const DEVICES = 1000
const READINGS = 3

/** The servers take turns, so that what else the machine does falls to all. */
const TURNS = 3
const TURN_MS = 4000

/** Code that has run often is compiled by then, and devices are known. */
const WARM_UP_MS = 2000

const OFFER_MS = 6000
const INSERT_MS = 3000

/** What is offered where latency is looked at, as a share of what got through. */
const OFFERED_SHARE = 0.5

/** What a server did in its turns. */
interface Measured {
  readonly perSecond: number
  /** CPU of the server, and of the database beside it, in microseconds a message. */
  readonly cpuEach: number
  readonly databaseCpuEach: number
}

/** Readings from the socket to the commit and back, beside brokers that store nothing. */
export const ingest: Scenario = {
  name: 'ingest',
  about: '1,000 devices publish readings, acknowledged when stored, on MariaDB and SQLite',
  async run(context) {
    const figures: Figure[] = []
    for (const open of [openMariadb, openSqlite]) {
      const database = await open(context)
      try {
        context.say(database.name)
        figures.push(...(await runOn(context, database)))
        await context.processes.end()
      } finally {
        await database.stop()
      }
    }
    return figures
  },
}

async function runOn(context: Context, database: Database): Promise<readonly Figure[]> {
  const folder = join(context.folder, database.name)
  await mkdir(folder)
  const fleet = await addFleet(database.address, DEVICES)
  const own = await startServer({ ...context, folder }, { DATABASE_URL: database.url })
  const loads = [
    await begin(context, await startBareAedes(context), fleet, undefined),
    await begin(context, await startMosquitto({ ...context, folder }), fleet, undefined),
    await begin(context, own, fleet, database.pid),
  ] as const
  for (let turn = 0; turn < TURNS; turn += 1) for (const { measure } of loads) await measure()
  const [bare, mosquitto, damselfly] = loads
  const stored = damselfly.measured()
  const latency = await damselfly.offer(stored.perSecond * OFFERED_SHARE)
  await checkHistory(database, damselfly.acknowledged())
  return [
    ...brokerFigures(database.name, stored, bare.measured(), mosquitto.measured()),
    ...(await databaseFigures(context, database, stored)),
    { what: `${database.name}: PUBACK p50 at half that load`, unit: 'ms', value: latency.p50Ms },
    { what: `${database.name}: PUBACK p99 at half that load`, unit: 'ms', value: latency.p99Ms },
  ]
}

/** Connects a fleet of its own to a server, and measures what is acknowledged and what CPU that takes. */
async function begin(
  context: Context,
  { port, pid }: Server,
  fleet: readonly FleetDevice[],
  databasePid: number | undefined,
) {
  const load = startWorker(context, 'ingest/load.js')
  await load.ask('connect', { port, fleet })
  const warm = saturationOf(await load.ask('saturate', WARM_UP_MS))
  let acknowledged = warm.messages
  const sum = { messages: 0, tookMs: 0, cpu: 0, databaseCpu: 0 }
  const cpuNow = () =>
    Promise.all([cpuMicroseconds(pid), databasePid === undefined ? 0 : cpuMicroseconds(databasePid)])
  return {
    async measure(): Promise<void> {
      const [cpu, databaseCpu] = await cpuNow()
      const { messages, tookMs } = saturationOf(await load.ask('saturate', TURN_MS))
      const [cpuAfter, databaseCpuAfter] = await cpuNow()
      acknowledged += messages
      sum.messages += messages
      sum.tookMs += tookMs
      sum.cpu += cpuAfter - cpu
      sum.databaseCpu += databaseCpuAfter - databaseCpu
    },
    measured: (): Measured => ({
      perSecond: (sum.messages / sum.tookMs) * 1000,
      cpuEach: sum.cpu / sum.messages,
      databaseCpuEach: sum.databaseCpu / sum.messages,
    }),
    /** Publishes at a fixed rate, and tells how long acknowledgements took from when their messages were due. */
    async offer(perSecond: number): Promise<{ readonly p50Ms: number; readonly p99Ms: number }> {
      const answer = await load.ask('offer', { perSecond, forMs: OFFER_MS })
      if (!isRecord(answer)) throw new Error('the devices told nothing')
      const { messages, unacknowledged, p50Ms, p99Ms, ownP99Ms } = answer
      context.say(
        `  ${messages} messages offered, ${unacknowledged} unacknowledged; sent late at p99 ${ownP99Ms} ms`,
      )
      acknowledged += Number(messages) - Number(unacknowledged)
      return { p50Ms: Number(p50Ms), p99Ms: Number(p99Ms) }
    },
    /** All of them, of the warm-up too. */
    acknowledged: () => acknowledged,
  }
}

function saturationOf(answer: unknown): { readonly messages: number; readonly tookMs: number } {
  if (!isRecord(answer)) throw new Error('the devices told nothing')
  return { messages: Number(answer['messages']), tookMs: Number(answer['tookMs']) }
}

/** What was acknowledged must be there, or the figures are of something else. */
async function checkHistory(database: Database, acknowledged: number): Promise<void> {
  const rows = await database.historyRows()
  if (rows === undefined || rows >= acknowledged * READINGS) return
  throw new Error(`${acknowledged} messages were acknowledged, and the history has ${rows} rows`)
}

function brokerFigures(name: string, stored: Measured, bare: Measured, mosquitto: Measured): Figure[] {
  const others = [['bare Aedes', bare] as const, ['Mosquitto', mosquitto] as const]
  return others.flatMap(([what, other]): Figure[] => [
    {
      what: `${name}: messages`,
      unit: '/s',
      value: stored.perSecond,
      reference: { what, value: other.perSecond },
    },
    {
      what: `${name}: CPU a message`,
      unit: 'µs',
      value: stored.cpuEach,
      reference: { what, value: other.cpuEach },
    },
  ])
}

/** Beside plain INSERTs of the same rows into the same database, while nobody else asks anything of it. */
async function databaseFigures(
  context: Context,
  database: Database,
  { perSecond, databaseCpuEach }: Measured,
): Promise<readonly Figure[]> {
  const url = await database.emptyCopy()
  if (url === undefined || database.pid === undefined) return []
  const worker = startWorker(context, 'ingest/inserts.js')
  const cpu = await cpuMicroseconds(database.pid)
  const answer = await worker.ask('insert', { url, deviceCount: DEVICES, forMs: INSERT_MS })
  const cpuTaken = (await cpuMicroseconds(database.pid)) - cpu
  if (!isRecord(answer)) throw new Error('the writer told nothing')
  const [rows, tookMs] = [Number(answer['rows']), Number(answer['tookMs'])]
  const what = 'plain INSERTs'
  return [
    {
      what: `${database.name}: history rows`,
      unit: '/s',
      value: perSecond * READINGS,
      reference: { what, value: (rows / tookMs) * 1000 },
    },
    {
      what: `${database.name}: CPU of the database a row`,
      unit: 'µs',
      value: databaseCpuEach / READINGS,
      reference: { what, value: cpuTaken / rows },
    },
    { what: `${database.name}: CPU of the database a message`, unit: 'µs', value: databaseCpuEach },
  ]
}
