import { join } from 'node:path'
import { measurePublish, type PublishLoad } from '../publish/measure.js'
import type { Context, Figure, Scenario } from '../scenario.js'
import { startBareAedes } from '../support/bare-aedes.js'
import { startServer } from '../support/server.js'

interface Case extends PublishLoad {
  readonly name: string
}

const cases: readonly Case[] = [
  { name: 'many a read', qos: 1, connections: 4, together: 100, messages: 200_000 },
  { name: 'one a read', qos: 1, connections: 200, together: 1, messages: 50_000 },
]

const ways = [
  { name: 'TCP', scheme: 'mqtt' },
  { name: 'WebSocket', scheme: 'ws' },
  { name: 'TLS', scheme: 'mqtts' },
] as const

/** What a message without a subscriber costs at QoS 1, by the way on which it comes. */
export const transports: Scenario = {
  name: 'transports',
  about: 'CPU a message over TCP, WebSocket and TLS, beside bare Aedes over the same',
  async run(context) {
    const figures: Figure[] = []
    for (const one of cases) {
      context.say(one.name)
      figures.push(...(await runCase(context, one)))
      await context.processes.end()
    }
    return figures
  },
}

async function runCase(context: Context, one: Case): Promise<readonly Figure[]> {
  const own = await startServer(context, { WS_PORT: '0', MQTTS_PORT: '0' })
  const bare = await startBareAedes(context, {}, join(context.folder, 'certs'))
  const measured = await measurePublish(
    context,
    ways.flatMap(({ scheme }) => {
      const load = { ...one, transport: scheme }
      return [
        { port: scheme === 'mqtt' ? own.port : own.portOf(scheme), pid: own.pid, load },
        { port: bare.portOf(scheme), pid: bare.pid, load },
      ]
    }),
  )
  return ways.map(({ name }, index) => ({
    what: `${name}, ${one.name}, CPU a message`,
    unit: 'µs',
    value: measured[2 * index] ?? Number.NaN,
    reference: { what: 'bare Aedes', value: measured[2 * index + 1] ?? Number.NaN },
  }))
}
