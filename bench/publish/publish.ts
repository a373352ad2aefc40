import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Context, Figure, Scenario } from '../scenario.js'
import { startBareAedes } from '../support/bare-aedes.js'
import { startMosquitto } from '../support/mosquitto.js'
import { startServer } from '../support/server.js'
import { measurePublish, type PublishLoad } from './measure.js'

interface Case extends PublishLoad {
  readonly name: string
}

const cases: readonly Case[] = [
  { name: 'QoS 0, many a read', qos: 0, connections: 4, together: 100, messages: 600_000 },
  { name: 'QoS 1, many a read', qos: 1, connections: 4, together: 100, messages: 400_000 },
  // Mosquitto takes no more than 20 that are not released.
  { name: 'QoS 2, 20 a read', qos: 2, connections: 10, together: 20, messages: 60_000 },
  { name: 'QoS 0, one a read', qos: 0, connections: 201, together: 1, messages: 150_000 },
  { name: 'QoS 1, one a read', qos: 1, connections: 200, together: 1, messages: 100_000 },
  { name: 'QoS 2, one a read', qos: 2, connections: 200, together: 1, messages: 30_000 },
]

/** What a message without a subscriber costs here, beside what it costs in Aedes alone and in Mosquitto. */
export const publish: Scenario = {
  name: 'publish',
  about: 'CPU a message that nobody subscribes to and nothing is stored of, beside bare Aedes and Mosquitto',
  async run(context) {
    const figures: Figure[] = []
    for (const [index, one] of cases.entries()) {
      context.say(one.name)
      const folder = join(context.folder, String(index))
      await mkdir(folder)
      figures.push(...(await runCase({ ...context, folder }, one)))
    }
    return figures
  },
}

/** None of the servers has served anything else. */
async function runCase(context: Context, one: Case): Promise<readonly Figure[]> {
  const servers = [await startBareAedes(context), await startMosquitto(context), await startServer(context)]
  const candidates = servers.map(({ port, pid }) => ({ port, pid, load: one }))
  const [bare = Number.NaN, mosquitto = Number.NaN, value = Number.NaN] = await measurePublish(
    context,
    candidates,
  )
  await context.processes.end()
  const others = [
    { what: 'bare Aedes', value: bare },
    { what: 'Mosquitto', value: mosquitto },
  ]
  return others.map((reference) => ({
    what: `${one.name}, CPU a message`,
    unit: 'µs',
    value,
    reference,
  }))
}
