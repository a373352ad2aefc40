import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { stormResultOf } from '../logins/answers.js'
import { mosquittoUsers } from '../logins/population.js'
import type { Context, Figure, Scenario } from '../scenario.js'
import { startBareAedes } from '../support/bare-aedes.js'
import { residentBytes } from '../support/memory.js'
import { startMosquitto } from '../support/mosquitto.js'
import { type Server, startServer } from '../support/server.js'
import { startWorker } from '../support/worker.js'

const CONNECTIONS = 10_000

/** What the logins left to be done and to be thrown away is done and thrown away by then. */
const SETTLE_MS = 4000

/** Given back to the system after a collection. */
const COLLECT_MS = 1500

const LOGIN_WITHIN_MS = 40_000

/** An import that makes Node collect its garbage when it is asked to. */
const collecting = {
  NODE_OPTIONS: `--import ${new URL('./collect-garbage.js', import.meta.url).href}`,
}

/** What a server had of memory, in bytes. */
interface Memory {
  readonly asItIs: number
  readonly collected: number
}

/** What connections take that do nothing. */
export const idle: Scenario = {
  name: 'idle',
  about: 'memory of 10,000 connections that do nothing, beside bare Aedes and Mosquitto',
  async run(context) {
    const folder = join(context.folder, 'damselfly')
    await mkdir(folder)
    const logins = await mosquittoUsers(folder, CONNECTIONS)
    const most = { MAX_CONNECTIONS: String(CONNECTIONS * 2) }
    const each = async (start: () => Promise<Server>, isNode = true): Promise<Memory> => {
      const memory = await memoryOfConnections(context, await start(), logins, isNode)
      await context.processes.end()
      return memory
    }
    const bare = await each(() => startBareAedes(context, collecting))
    const mosquitto = await each(() => startMosquitto(context), false)
    const own = await each(() => startServer({ ...context, folder }, { ...most, ...collecting }))
    return [
      ...figuresOf('', own.asItIs, bare.asItIs, mosquitto.asItIs),
      ...figuresOf(', garbage collected', own.collected, bare.collected, mosquitto.collected),
    ]
  },
}

/** How much more a server has with all connections than without any, by one of them. */
async function memoryOfConnections(
  context: Context,
  { port, pid }: Server,
  logins: unknown,
  isNode: boolean,
): Promise<Memory> {
  const before = await settledMemory(pid, isNode)
  const clients = startWorker(context, 'logins/storm.js')
  const input = { port, isBehindOneAddress: false, logins, withinMs: LOGIN_WITHIN_MS }
  const { answers } = stormResultOf(await clients.ask('storm', input))
  const accepted = answers.get('0') ?? 0
  if (accepted < CONNECTIONS * 0.9) throw new Error(`only ${accepted} of ${CONNECTIONS} connections`)
  const after = await settledMemory(pid, isNode)
  const each = (name: keyof Memory): number => (after[name] - before[name]) / accepted
  context.say(`  ${accepted} connections, ${Math.round(before.asItIs / 1024)} KB before them`)
  return { asItIs: each('asItIs'), collected: each('collected') }
}

async function settledMemory(pid: number, isNode: boolean): Promise<Memory> {
  await delay(SETTLE_MS)
  const asItIs = await residentBytes(pid)
  if (!isNode) return { asItIs, collected: asItIs }
  process.kill(pid, 'SIGUSR2')
  await delay(COLLECT_MS)
  return { asItIs, collected: await residentBytes(pid) }
}

function figuresOf(how: string, own: number, bare: number, mosquitto: number): Figure[] {
  const others = [['bare Aedes', bare] as const, ['Mosquitto', mosquitto] as const]
  return others.map(([what, other]) => ({
    what: `memory a connection${how}`,
    unit: 'KB',
    value: own / 1024,
    reference: { what, value: other / 1024 },
  }))
}
