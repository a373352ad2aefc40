import type { IPublishPacket } from 'mqtt-packet'
import { expect, onTestFinished, test } from 'vitest'
import { startMariadb } from '../support/mariadb.js'
import { connectRaw } from '../support/raw-client.js'
import { ADMINISTRATOR, startServer } from '../support/server.js'

const reading = (value: number): IPublishPacket => ({
  cmd: 'publish',
  messageId: value,
  topic: 'devices/steady/data',
  payload: `{"value":${value}}`,
  qos: 1,
  dup: false,
  retain: false,
})

test('SPOOL_MAX_MB=0, and a database that is killed and comes back: the device stays connected, nothing is acknowledged meanwhile, everything after', async () => {
  const mariadb = await startMariadb()
  onTestFinished(mariadb.stop)
  await mariadb.createDatabase('readings')
  const server = await startServer({
    DATABASE_URL: mariadb.url('readings'),
    UNKNOWN_DEVICES: 'register',
    SPOOL_MAX_MB: '0',
  })
  const { username } = ADMINISTRATOR
  const device = await connectRaw(server.port('mqtt'), {
    username,
    password: Buffer.from(ADMINISTRATOR.password),
  })
  device.send(reading(1))
  await device.count('puback', 1)

  await mariadb.crash()
  device.send(...[2, 3, 4, 5].map(reading))
  await server.logged(({ msg }) => msg.startsWith('cannot write to the database'))
  device.send({ cmd: 'pingreq' })
  await device.count('pingresp', 1)
  expect(device.received.filter(({ cmd }) => cmd === 'puback')).toHaveLength(1)

  await mariadb.restart()
  const acknowledged = await device.count('puback', 5)
  expect(acknowledged.map(({ messageId }) => messageId)).toEqual([1, 2, 3, 4, 5])
  await server.logged(({ msg }) => msg === 'the database takes writes again')
  const rows = await mariadb.query('readings', 'SELECT value FROM device_sensor_history ORDER BY value')
  expect(rows.map(({ value }) => value)).toEqual([1, 2, 3, 4, 5])
}, 60_000)
