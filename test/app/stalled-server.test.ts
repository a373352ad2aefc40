import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { connectRaw } from '../support/raw-client.js'
import { ADMINISTRATOR, startServer } from '../support/server.js'

const KEEP_ALIVE_SECONDS = 1
const login = { ...ADMINISTRATOR, password: Buffer.from(ADMINISTRATOR.password) }

test('[MQTT-3.1.2-24] a server that stood still ends no client that spoke meanwhile, and those that did not', async () => {
  const server = await startServer()
  const port = server.port('mqtt')
  const speaking = await Promise.all(
    Array.from({ length: 5 }, () => connectRaw(port, { ...login, keepalive: KEEP_ALIVE_SECONDS })),
  )
  const silent = await connectRaw(port, { ...login, keepalive: KEEP_ALIVE_SECONDS })
  server.kill('SIGSTOP')
  for (const client of speaking) client.send({ cmd: 'pingreq' })
  await delay(KEEP_ALIVE_SECONDS * 1500 * 2) // longer than the server may wait for anyone
  server.kill('SIGCONT')
  const answers = await Promise.all(speaking.map((client) => client.count('pingresp', 1)))
  expect(answers.flat()).toHaveLength(5)
  await silent.closed
})
