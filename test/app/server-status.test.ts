import type { MqttClient } from 'mqtt'
import { expect, it, vi } from 'vitest'
import { startRedis } from '../support/redis.js'
import { startServer } from '../support/server.js'
import { comingTo, connectTo } from '../support/server-clients.js'
import { temporaryFolder } from '../support/temporary-folder.js'

// An instance counts as dead after 9 s.
vi.setConfig({ testTimeout: 60_000 })

const TOPIC = 'system/server/status'
const TIME = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)

/** Resolves with the first status on `topic`, retained or not, that fits. */
async function status(client: MqttClient, fits: object, topic = TOPIC): Promise<void> {
  const found = new Promise<void>((resolve) => {
    client.on('message', (at, payload) => {
      if (at !== topic) return
      const said: unknown = JSON.parse(payload.toString())
      try {
        expect(said).toEqual(fits)
        resolve()
      } catch {
        // another one follows
      }
    })
  })
  await client.subscribeAsync(topic)
  await found
}

const about = { version: expect.any(String), instance: 'one', started_at: TIME }

it('a server says, retained, that it is online, and at its stop that it is offline', async () => {
  const folder = await temporaryFolder()
  const server = await startServer({ INSTANCE_NAME: 'one' }, folder)
  const client = await connectTo(server)
  await status(client, { status: 'online', ...about })
  const offline = status(client, { status: 'offline', ...about, stopped_at: TIME })
  server.kill('SIGTERM')
  await offline
  expect(await server.ended).toBe(0)
  await status(comingTo(await startServer({ INSTANCE_NAME: 'one' }, folder)), { status: 'online', ...about })
})

it('instances say so for each and for all, also of one that was killed', async () => {
  const { url: REDIS_URL } = await startRedis()
  const one = await startServer({ REDIS_URL, INSTANCE_NAME: 'one' })
  const two = await startServer({ REDIS_URL, INSTANCE_NAME: 'two' })
  const client = await connectTo(two)
  const { version } = about
  await status(client, { status: 'online', ...about }, `${TOPIC}/one`)
  await status(client, { status: 'online', ...about, instance: 'two' }, `${TOPIC}/two`)
  await status(client, { status: 'online', instances: 2, version })
  const isCorrected = status(client, { status: 'offline', ...about, stopped_at: null }, `${TOPIC}/one`)
  const isCounted = status(client, { status: 'online', instances: 1, version })
  one.kill('SIGKILL')
  await Promise.all([isCorrected, isCounted])
  const areAllGone = status(client, { status: 'offline', instances: 0, version })
  two.kill('SIGTERM')
  await areAllGone
  expect(await two.ended).toBe(0)
})
