import { join } from 'node:path'
import { connectAsync } from 'mqtt'
import { describe, expect, it, onTestFinished } from 'vitest'
import { ADMINISTRATOR, type Server, startServer } from '../support/server.js'
import {
  type Address,
  type ClientProgram,
  clientPrograms,
  type Message,
  type Received,
} from './client-programs.js'

const LISTENERS = { MQTTS_PORT: '0', WS_PORT: '0', WSS_PORT: '0' }

const addressesOf = (server: Server, { schemes }: ClientProgram): readonly Address[] =>
  schemes.map((scheme) => ({
    scheme,
    port: server.port(scheme),
    caPath: join(server.folder, 'certs', 'ca.crt'),
  }))

/** Sees the wills of all; `until` waits for one and returns all that came. */
async function watchWills(server: Server) {
  const client = await connectAsync(`mqtt://127.0.0.1:${server.port('mqtt')}`, { ...ADMINISTRATOR })
  onTestFinished(() => void client.end(true))
  const wills: string[] = []
  const waiting = new Set<() => void>()
  client.on('message', (_topic, payload) => {
    wills.push(payload.toString())
    for (const look of waiting) look()
  })
  await client.subscribeAsync('wills/#', { qos: 1 })
  return {
    publish: (payload: string) => client.publishAsync('wills/end', payload, { qos: 1 }),
    until: (payload: string) =>
      new Promise<readonly string[]>((resolve) => {
        const look = (): void => {
          if (!wills.includes(payload)) return
          waiting.delete(look)
          resolve(wills)
        }
        waiting.add(look)
        look()
      }),
  }
}

const messageOf = (scheme: string, payload: string, qos: Message['qos'], retain = false): Message => ({
  topic: `trips/${scheme}`,
  payload,
  qos,
  retain,
})

/** The message as far as this program shows it. */
const shown = (sample: Received | undefined, { topic, payload, qos, retain }: Message): Received =>
  sample?.qos === undefined ? { payload } : { topic, payload, qos, retain }

const subscriptionOf = (scheme: string, clean: boolean) => ({
  clientId: `watcher by ${scheme}`,
  clean,
  filter: `trips/${scheme}`,
  will: { topic: `wills/${scheme}`, payload: `${scheme} is gone` },
})

describe.each(clientPrograms)('$name', (program) => {
  const { hasSessions } = program

  it('[MQTT-7.0.0-2] publishes, subscribes and leaves wills and sessions, over every listener that it knows', async () => {
    const server = await startServer(LISTENERS)
    const wills = await watchWills(server)
    for (const address of addressesOf(server, program)) {
      const { scheme } = address
      const messages = [
        messageOf(scheme, 'retained', 1, true),
        ...([0, 1, 2] as const).map((qos) => messageOf(scheme, `at QoS ${qos}`, qos)),
      ]
      const [retained, ...others] = messages
      if (retained !== undefined) await program.publish(address, retained)
      const subscriber = await program.subscribe(address, subscriptionOf(scheme, !hasSessions))
      await subscriber.until('retained')
      for (const message of others) await program.publish(address, message)
      const received = await subscriber.until('at QoS 2')
      expect(received).toEqual(messages.map((message) => shown(received[0], message)))
      await subscriber.kill()
      expect(await wills.until(`${scheme} is gone`)).toContain(`${scheme} is gone`)
      if (!hasSessions) continue
      for (const qos of [1, 2] as const) {
        await program.publish(address, messageOf(scheme, `while away at QoS ${qos}`, qos))
      }
    }
    server.kill('SIGKILL')
    await server.ended
    const next = await startServer(LISTENERS, server.folder)
    const laterWills = await watchWills(next)
    for (const address of addressesOf(next, program)) {
      const { scheme } = address
      const subscriber = await program.subscribe(address, subscriptionOf(scheme, !hasSessions))
      if (hasSessions) {
        const received = await subscriber.until('while away at QoS 2')
        const fromQueue = received.filter(({ payload }) => payload !== 'retained')
        expect(fromQueue).toEqual(
          ([1, 2] as const).map((qos) =>
            shown(received[0], messageOf(scheme, `while away at QoS ${qos}`, qos)),
          ),
        )
      }
      await subscriber.until('retained')
      await subscriber.end()
    }
    await laterWills.publish('no will came')
    expect(await laterWills.until('no will came')).toEqual(['no will came'])
  })
})
