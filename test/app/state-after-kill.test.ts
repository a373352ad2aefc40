import { randomUUID } from 'node:crypto'
import { expect, inject, test } from 'vitest'
import { mariadbAt } from '../support/mariadb.js'
import { connectRaw } from '../support/raw-client.js'
import { ADMINISTRATOR, type Server, startServer } from '../support/server.js'

const mariadb = mariadbAt(inject('mariadbPort'))

const DEVICES = 100

/** Of each device's readings, those on their way. */
const AHEAD = 5

/** Nothing else comes after the CONNACK. */
const PUBACK_BYTES = 4

/** Publishes readings 1, 2, 3 and so on of a device, several on their way, until the connection ends. */
async function report(server: Server, device: string, acknowledged: Map<string, number>): Promise<void> {
  const password = Buffer.from(ADMINISTRATOR.password)
  const client = await connectRaw(server.port('mqtt'), { username: ADMINISTRATOR.username, password })
  let sent = 0
  let bytes = 0
  const send = (): void => {
    sent += 1
    client.send({
      cmd: 'publish',
      messageId: (sent % 65_535) + 1,
      topic: `devices/${device}/data`,
      payload: `{"value":${sent}}`,
      qos: 1,
      dup: false,
      retain: false,
    })
  }
  client.socket.on('data', (chunk) => {
    bytes += chunk.length
    acknowledged.set(device, Math.floor(bytes / PUBACK_BYTES))
    while (sent < AHEAD + bytes / PUBACK_BYTES) send()
  })
  while (sent < AHEAD) send()
}

test('kill -9 while the state tables are behind: after the next start they show the newest reading', async () => {
  const database = `test_${randomUUID().replaceAll('-', '')}`
  await mariadb.createDatabase(database)
  const settings = { DATABASE_URL: mariadb.url(database), UNKNOWN_DEVICES: 'register' }
  const server = await startServer(settings)
  const acknowledged = new Map<string, number>()
  const devices = Array.from({ length: DEVICES }, (_, index) => `kill-${index}`)
  await Promise.all(devices.map((device) => report(server, device, acknowledged)))
  const behind = async (): Promise<number> => {
    const [row] = await mariadb.query(database, 'SELECT COUNT(*) AS entries FROM device_state_log')
    return Number(row?.['entries'])
  }
  await expect.poll(behind, { timeout: 60_000 }).toBeGreaterThan(20)
  server.kill('SIGKILL')
  await server.ended
  expect(await behind()).toBeGreaterThan(0)

  await startServer(settings, server.folder)
  expect(await behind()).toBe(0)
  const rows = async () =>
    mariadb.query(
      database,
      `SELECT m.device_id AS device, s.sensor_value AS shown, MAX(h.value) AS newest,
         JSON_VALUE(m.last_report_data, '$.sensors.value.value') AS reported
       FROM device_main m JOIN device_sensors s ON s.device_uuid = m.uuid
       JOIN device_sensor_history h ON h.device_id = m.id GROUP BY m.id, s.id`,
    )
  // What found the database slow may be in the spool still.
  const faults = async (): Promise<string[]> => {
    const found = new Map((await rows()).map((row) => [String(row['device']), row]))
    return devices.flatMap((device) => {
      const row = found.get(device)
      const values = [row?.['newest'], row?.['shown'], row?.['reported']].map(Number)
      const isRight = new Set(values).size === 1 && Number(values[0]) >= (acknowledged.get(device) ?? 0)
      return isRight ? [] : [`${device}: ${values}, acknowledged ${acknowledged.get(device)}`]
    })
  }
  await expect.poll(faults, { timeout: 60_000 }).toEqual([])
}, 180_000)
