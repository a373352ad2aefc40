import { expect, onTestFinished, test } from 'vitest'
import { addDevice } from '../support/command.js'
import { startMariadb } from '../support/mariadb.js'
import { connectRaw } from '../support/raw-client.js'
import { startServer } from '../support/server.js'

test('a device that left while the database was away stays offline when its messages come from the spool', async () => {
  const mariadb = await startMariadb()
  onTestFinished(mariadb.stop)
  await mariadb.createDatabase('readings')
  const environment = { DATABASE_URL: mariadb.url('readings') }
  const server = await startServer(environment)
  const { uuid, secret } = await addDevice(server.folder, environment)
  const client = await connectRaw(server.port('mqtt'), { username: uuid, password: Buffer.from(secret) })
  const report = (messageId: number): void =>
    client.send({
      ...{ cmd: 'publish', topic: `devices/${uuid}/data`, payload: `{"temperature":${messageId}}` },
      ...{ qos: 1, messageId, retain: false, dup: false },
    })
  const isOnline = async (): Promise<number> => {
    const [row] = await mariadb.query('readings', 'SELECT is_online FROM device_main')
    return Number(row?.['is_online'])
  }
  report(1)
  await client.count('puback', 1)
  await expect.poll(isOnline, { timeout: 10_000 }).toBe(1)
  await mariadb.crash()
  report(2)
  await client.count('puback', 2)
  client.socket.destroy()
  await server.logged(({ msg }) => msg.startsWith('cannot write who is online'))
  await mariadb.restart()
  await server.logged(({ msg }) => msg === 'the spool is empty')
  await expect.poll(isOnline, { timeout: 20_000 }).toBe(0)
  const history = 'SELECT COUNT(*) AS readings FROM device_sensor_history'
  expect(await mariadb.query('readings', history)).toMatchObject([{ readings: 2 }])
}, 60_000)
