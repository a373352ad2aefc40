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

/** What a message without a subscriber costs at QoS 1, by the way on which it comes. */
export const transports: Scenario = {
  name: 'transports',
  about: 'CPU a message over TCP, WebSocket and TLS, beside bare Aedes over TCP',
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
  const bare = await startBareAedes(context)
  const { port, pid, portOf } = await startServer(context, { WS_PORT: '0', MQTTS_PORT: '0' })
  const ways = [
    { name: 'TCP', port, transport: 'mqtt' },
    { name: 'WebSocket', port: portOf('ws'), transport: 'ws' },
    { name: 'TLS', port: portOf('mqtts'), transport: 'mqtts' },
  ] as const
  const [ofBare = Number.NaN, ...own] = await measurePublish(context, [
    { ...bare, load: one },
    ...ways.map((way) => ({ port: way.port, pid, load: { ...one, transport: way.transport } })),
  ])
  return ways.map(({ name }, index) => ({
    what: `${name}, ${one.name}, CPU a message`,
    unit: 'µs',
    value: own[index] ?? Number.NaN,
    reference: { what: 'bare Aedes over TCP', value: ofBare },
  }))
}
