import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { createClient } from '@libsql/client'
import { expect, onTestFinished, test } from 'vitest'
import { connectRaw } from '../support/raw-client.js'
import { reportOf } from '../support/reporting-device.js'
import { ADMINISTRATOR, startServer } from '../support/server.js'

test('SIGTERM while another process has the SQLite file locked ends with 0, and nothing was acknowledged', async () => {
  const server = await startServer()
  const lock = createClient({
    url: pathToFileURL(join(server.folder, 'data', 'damselfly.db')).href,
    timeout: 20_000,
  })
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

test('while another process has the SQLite file locked, readings of known devices wait in the spool, acknowledged', async () => {
  const server = await startServer()
  const device = await connectRaw(server.port('mqtt'), {
    username: ADMINISTRATOR.username,
    password: Buffer.from(ADMINISTRATOR.password),
  })
  device.send(reportOf('known', 1))
  await device.count('puback', 1)
  const lock = createClient({
    url: pathToFileURL(join(server.folder, 'data', 'damselfly.db')).href,
    timeout: 20_000,
  })
  onTestFinished(() => lock.close())
  const transaction = await lock.transaction('write')
  device.send(reportOf('known', 2), reportOf('known', 3))
  await device.count('puback', 3)
  transaction.close()
  await server.logged(({ msg }) => msg === 'the spool is empty')
  const { rows } = await lock.execute('SELECT value FROM device_sensor_history ORDER BY value')
  expect(rows.map(({ value }) => value)).toEqual([1, 2, 3])
})
