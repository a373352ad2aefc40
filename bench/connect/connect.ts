import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { stormResultOf } from '../logins/answers.js'
import { hashCpuMicroseconds, mosquittoUsers } from '../logins/population.js'
import type { Context, Figure, Scenario } from '../scenario.js'
import { startBareAedes } from '../support/bare-aedes.js'
import { cpuMicroseconds } from '../support/cpu.js'
import { startMosquitto } from '../support/mosquitto.js'
import { type Server, startServer } from '../support/server.js'
import { startWorker } from '../support/worker.js'

const CONNECTIONS = 10_000

/** The first is of code that has not run before, and in Damselfly of passwords that it has not checked before. */
const STORMS = ['first', 'second', 'third'] as const

const LOGIN_WITHIN_MS = 60_000

/** What a connection costs from its first packet to its CONNACK, when 10,000 come at once. */
export const connect: Scenario = {
  name: 'connect',
  about: 'CPU of a connection when 10,000 come at once with passwords, beside bare Aedes and Mosquitto',
  async run(context) {
    const folder = join(context.folder, 'damselfly')
    await mkdir(folder)
    const logins = await mosquittoUsers(folder, CONNECTIONS)
    const each = async (start: () => Promise<Server>): Promise<readonly number[]> => {
      const took = await cpuOfStorms(context, await start(), logins)
      await context.processes.end()
      return took
    }
    const most = { MAX_CONNECTIONS: String(CONNECTIONS * 2) }
    const own = await each(() => startServer({ ...context, folder }, most))
    const bare = await each(() => startBareAedes(context))
    const mosquitto = await each(() => startMosquitto(context))
    const hash = hashCpuMicroseconds()
    return STORMS.flatMap((storm, index): Figure[] => {
      const what = index === 0 ? `${storm} storm, beside the hash` : `${storm} storm`
      const value = (own[index] ?? Number.NaN) - (index === 0 ? hash : 0)
      return [
        { what, unit: 'µs', value, reference: { what: 'bare Aedes', value: bare[index] ?? Number.NaN } },
        { what, unit: 'µs', value, reference: { what: 'Mosquitto', value: mosquitto[index] ?? Number.NaN } },
      ]
    })
  },
}

/** CPU that a server takes for a connection, user and system of all its threads, in each of the storms. */
async function cpuOfStorms(
  context: Context,
  { port, pid }: Server,
  logins: unknown,
): Promise<readonly number[]> {
  const took: number[] = []
  const clients = startWorker(context, 'logins/storm.js')
  for (const storm of STORMS) {
    const before = await cpuMicroseconds(pid)
    const input = { port, isBehindOneAddress: false, logins, withinMs: LOGIN_WITHIN_MS }
    const { answers } = stormResultOf(await clients.ask('storm', input))
    const accepted = answers.get('0') ?? 0
    if (accepted < CONNECTIONS * 0.9) throw new Error(`only ${accepted} of ${CONNECTIONS} connections`)
    took.push(((await cpuMicroseconds(pid)) - before) / accepted)
    context.say(`  ${storm} storm: ${accepted} connections, ${took.at(-1)?.toFixed(0)} µs each`)
    await clients.ask('leave')
  }
  return took
}
