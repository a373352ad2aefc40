import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Context, Figure, Scenario } from '../scenario.js'
import { startServer } from '../support/server.js'
import { percentile } from '../support/statistics.js'
import { startWorker, type Worker } from '../support/worker.js'
import { readingsOf, type StormResult, stormResultOf } from './answers.js'
import {
  addObserver,
  damselflyUsers,
  devices,
  type Login,
  mosquittoUsers,
  OBSERVER,
  type Population,
} from './population.js'

/** A storm, and another with the same logins after all have left, where `isRepeated`. */
interface Case {
  readonly name: string
  readonly population: Population
  readonly isBehindOneAddress: boolean
  readonly isRepeated: boolean
}

/** A stretch of time in which the device publishes. */
interface Phase {
  readonly name: string
  readonly fromMs: number
  readonly toMs: number
  readonly storm: StormResult | undefined
}

const LOGINS = 10_000
const QUIET_MS = 5000

/** A storm that takes longer is measured so far, and then ended. */
const STORM_MS = 30_000

const PUBLISH_EVERY_MS = 10

/** What the server still has to do for those that have left is not the second storm's. */
const SETTLE_MS = 2000

/** The server's own start, its first publishes and its compiled code are not what is measured. */
const WARM_UP_MS = 2000

const cases: readonly Case[] = [
  { name: '$7$ of 101', population: mosquittoUsers, isBehindOneAddress: false, isRepeated: true },
  { name: '$7$ of 101, one address', population: mosquittoUsers, isBehindOneAddress: true, isRepeated: true },
  { name: '$7$ of 100,000', population: damselflyUsers, isBehindOneAddress: false, isRepeated: false },
  { name: 'devices', population: devices, isBehindOneAddress: false, isRepeated: true },
]

/** 10,000 logins at once must not keep a connected device from being acknowledged. */
export const logins: Scenario = {
  name: 'logins',
  about: '10,000 clients log in at once while a connected device publishes every 10 ms',
  async run(context) {
    const floorPerSecond = await stormOnFloor(context)
    const figures: Figure[] = []
    for (const one of cases) {
      context.say(one.name)
      figures.push(...(await runCase(context, one, floorPerSecond)))
      await context.processes.end()
    }
    return figures
  },
}

/** What the same storm takes on a server that does nothing else than answer, as logins/s. */
async function stormOnFloor(context: Context): Promise<number> {
  const floor = startWorker(context, 'logins/floor.js')
  const storm = startWorker(context, 'logins/storm.js')
  const port = Number(await floor.ask('listen'))
  const all = Array.from({ length: LOGINS }, (_, index): Login => [`user-${index}`, 'a password'])
  const result = await runStorm(storm, { port, isBehindOneAddress: false, logins: all })
  await context.processes.end()
  return perSecond(result)
}

async function runCase(context: Context, one: Case, floorPerSecond: number): Promise<readonly Figure[]> {
  const folder = join(context.folder, one.name.replaceAll(/\W+/g, '-'))
  await mkdir(folder, { recursive: true })
  const all = await one.population(folder, LOGINS)
  await addObserver(folder)
  const { port } = await startServer({ ...context, folder }, { MAX_CONNECTIONS: String(LOGINS * 2) })
  const device = await startDevice(context, port)
  const storm = startWorker(context, 'logins/storm.js')
  await delay(WARM_UP_MS)
  const phases = [await phase('quiet', () => nothing(delay(QUIET_MS)))]
  const strike = () => runStorm(storm, { port, isBehindOneAddress: one.isBehindOneAddress, logins: all })
  phases.push(await phase('storm', strike))
  if (one.isRepeated) {
    phases.push(await phase('all leave', () => nothing(storm.ask('leave'))))
    await delay(SETTLE_MS)
    phases.push(await phase('second storm', strike))
  }
  return figuresOf(context, one.name, phases, await device.ask('stop'), floorPerSecond)
}

async function startDevice(context: Context, port: number): Promise<Worker> {
  const device = startWorker(context, 'support/device.js')
  await device.ask('start', {
    port,
    user: OBSERVER.deviceId,
    password: OBSERVER.secret,
    clientId: OBSERVER.uuid,
    topic: `devices/${OBSERVER.uuid}/data`,
    everyMs: PUBLISH_EVERY_MS,
  })
  return device
}

async function phase(name: string, act: () => Promise<StormResult | undefined>): Promise<Phase> {
  const now = (): number => performance.timeOrigin + performance.now()
  const fromMs = now()
  const storm = await act()
  return { name, fromMs, toMs: now(), storm }
}

async function nothing(act: Promise<unknown>): Promise<undefined> {
  await act
}

async function runStorm(
  storm: Worker,
  input: { readonly port: number; readonly isBehindOneAddress: boolean; readonly logins: readonly Login[] },
): Promise<StormResult> {
  return stormResultOf(await storm.ask('storm', { ...input, withinMs: STORM_MS }))
}

function figuresOf(
  { say }: Context,
  name: string,
  phases: readonly Phase[],
  answer: unknown,
  floorPerSecond: number,
): readonly Figure[] {
  const { readings, unacknowledged, ownDelayP99Ms } = readingsOf(answer)
  say(
    `  ${readings.length} readings, ${unacknowledged} unacknowledged; the device's own p99 ${ownDelayP99Ms} ms`,
  )
  const latencies = ({ fromMs, toMs }: Phase): number[] =>
    readings.flatMap(({ dueMs, tookMs }) => (dueMs >= fromMs && dueMs < toMs ? tookMs : []))
  const [quiet] = phases
  const quietP99 = quiet === undefined ? Number.NaN : percentile(latencies(quiet), 0.99)
  const reference = { what: 'quiet', value: quietP99 }
  return phases.flatMap((one): Figure[] => {
    const took = latencies(one)
    const p99 = percentile(took, 0.99)
    const what = `${name}: ${one.name}`
    if (one === quiet) return [{ what: `${what}, PUBACK p99`, unit: 'ms', value: p99 }]
    const publishing: Figure[] = [
      { what: `${what}, PUBACK p99`, unit: 'ms', value: p99, reference },
      { what: `${what}, PUBACK longest`, unit: 'ms', value: Math.max(...took) },
    ]
    if (one.storm === undefined) return publishing
    say(`  ${one.name}: ${describe(one.storm)}`)
    const floor = { what: 'a server that only answers', value: floorPerSecond }
    return [
      ...publishing,
      { what: `${what}, accepted`, unit: '', value: one.storm.answers.get('0') ?? 0 },
      { what: `${what}, logins`, unit: '/s', value: perSecond(one.storm), reference: floor },
    ]
  })
}

function describe({ answers, tookMs }: StormResult): string {
  const counts = [...answers].map(([code, count]) => `${count} × ${code}`).join(', ')
  return `${counts || 'no answer'} in ${Math.round(tookMs)} ms`
}

function perSecond({ answers, tookMs }: StormResult): number {
  return ((answers.get('0') ?? 0) / tookMs) * 1000
}
