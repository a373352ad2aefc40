import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { createClient } from '@libsql/client'
import { expect, onTestFinished, test } from 'vitest'
import { connectRaw } from '../support/raw-client.js'
import { ADMINISTRATOR, startServer } from '../support/server.js'

test('SIGTERM while another process has the SQLite file locked ends with 0, and nothing was acknowledged', async () => {
  const server = await startServer()
  const lock = createClient({ url: pathToFileURL(join(server.folder, 'data', 'damselfly.db')).href })
  const transaction = await lock.transaction('write')
  onTestFinished(() => {
    transaction.close()
    lock.close()
  })
  const { username } = ADMINISTRATOR
  const password = Buffer.from(ADMINISTRATOR.password)
  const client = await connectRaw(server.port('mqtt'), { username, password })
  client.send(
    {
      cmd: 'publish',
      messageId: 1,
      topic: 'devices/locked-out/data',
      payload: '{"a":1}',
      qos: 1,
      dup: false,
      retain: false,
    },
    { cmd: 'pingreq' },
  )
  await client.count('pingresp', 1)
  server.kill('SIGTERM')
  expect(await server.ended).toBe(0)
  expect(client.received.filter(({ cmd }) => cmd === 'puback')).toEqual([])
})
