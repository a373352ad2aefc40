import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { createClient } from '@libsql/client'
import { expect, test } from 'vitest'
import { addDevice } from '../support/command.js'
import { connectRaw } from '../support/raw-client.js'
import { reportOf, startReporting } from '../support/reporting-device.js'
import { ADMINISTRATOR, type Server, startServer } from '../support/server.js'
import { settableClock } from '../support/settable-clock.js'

const HOUR_S = 3600
const DAY_S = 24 * HOUR_S
const YEAR_S = 365 * DAY_S

const login = () => ({ username: ADMINISTRATOR.username, password: Buffer.from(ADMINISTRATOR.password) })

async function query(server: Server, sql: string) {
  const client = createClient({ url: pathToFileURL(join(server.folder, 'data', 'damselfly.db')).href })
  const { rows } = await client.execute(sql)
  client.close()
  return rows
}

const newestOf = (server: Server, name: string) =>
  query(
    server,
    `SELECT sensor_value, last_report_data ->> '$.sensors.value.value' AS reported, is_online
     FROM device_main m JOIN device_sensors s ON s.device_uuid = m.uuid WHERE m.name = '${name}'`,
  )

test('a clock that is put forward by a day and back by an hour: nobody is disconnected, all is stored, the newest wins', async () => {
  const clock = await settableClock()
  const server = await startServer({ ...clock.environment, OFFLINE_AFTER_S: '60' })
  const device = await addDevice(server.folder)
  const own = await connectRaw(server.port('mqtt'), {
    username: device.deviceId,
    password: Buffer.from(device.secret),
    keepalive: 60,
  })
  const reporting = await startReporting(server, 'gateway')
  await reporting.goesOn(20)
  for (const ahead of [DAY_S, -HOUR_S, YEAR_S, 0]) {
    await clock.setAhead(ahead)
    await reporting.goesOn(50)
  }
  await reporting.finish()
  own.send({ cmd: 'pingreq' })
  await own.count('pingresp', 1)
  server.kill('SIGKILL')
  await server.ended
  const last = String(reporting.acknowledged())
  expect(await newestOf(server, 'gateway')).toMatchObject([
    { sensor_value: last, reported: Number(last), is_online: 1 },
  ])
  const [stored] = await query(
    server,
    'SELECT count(*) AS readings, max(value) AS newest FROM device_sensor_history',
  )
  expect(stored).toMatchObject({ readings: Number(last), newest: Number(last) })
  expect(
    await query(server, `SELECT is_online FROM device_main WHERE device_id = '${device.deviceId}'`),
  ).toMatchObject([{ is_online: 1 }])
})

test('a start in 1970: it is told, certificates are valid when the clock is set, and the newest wins from then on', async () => {
  const clock = await settableClock(-Math.floor(Date.now() / 1000) + DAY_S)
  const server = await startServer({ ...clock.environment, MQTTS_PORT: '0' })
  expect(
    server.log.some(({ msg, level }) => level === 'warn' && msg.startsWith('the clock is not set')),
  ).toBe(true)
  for (const name of ['ca.crt', 'server.crt']) {
    const certificate = new X509Certificate(await readFile(join(server.folder, 'certs', name)))
    expect(new Date(certificate.validFrom).getTime()).toBeLessThan(Date.now())
    expect(new Date(certificate.validTo).getTime()).toBeGreaterThan(Date.now() + 30 * DAY_S * 1000)
  }
  const device = await connectRaw(server.port('mqtt'), login())
  const nowS = Math.floor(Date.now() / 1000)
  device.send(reportOf('some', 1), {
    ...reportOf('some', 2),
    payload: `{"sensors":[{"sensor_name":"own","value":2,"timestamp":${nowS}}]}`,
  })
  await device.count('puback', 2)
  await clock.setAhead(0)
  device.send(reportOf('some', 3))
  await device.count('puback', 3)
  server.kill('SIGKILL')
  await server.ended
  const rows = await query(server, 'SELECT value, recorded_at FROM device_sensor_history ORDER BY value')
  expect(rows.map(({ value }) => value)).toEqual([1, 2, 3])
  expect(Number(rows[0]?.['recorded_at'])).toBeLessThan(2 * DAY_S * 1000)
  expect(Number(rows[1]?.['recorded_at'])).toBe(nowS * 1000)
  expect(await newestOf(server, 'some')).toContainEqual(
    expect.objectContaining({ sensor_value: '3', reported: 3 }),
  )
})

test('a start with a clock that is a year ahead deletes nothing from the history, and says why', async () => {
  const first = await startServer()
  const device = await connectRaw(first.port('mqtt'), login())
  device.send(reportOf('some', 1))
  await device.count('puback', 1)
  first.kill('SIGTERM')
  await first.ended
  const clock = await settableClock(YEAR_S)
  const second = await startServer(clock.environment, first.folder)
  await second.logged(({ msg }) => msg.startsWith('no device was seen for over a day, or the clock is ahead'))
  expect(await query(second, 'SELECT value FROM device_sensor_history')).toHaveLength(1)
})
