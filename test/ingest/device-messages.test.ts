import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { beforeAll, describe, expect, inject, test } from 'vitest'
import { mariadbAt } from '../support/mariadb.js'
import { run } from '../support/run.js'
import { type Server, startServer } from '../support/server.js'

const mariadb = mariadbAt(inject('mariadbPort'))
const database = `test_${randomUUID().replaceAll('-', '')}`

/** A device as the platform made it. */
interface FieldDevice {
  readonly id: number
  readonly uuid: string
  readonly deviceId: string
  readonly secret: string
}

beforeAll(async () => {
  await mariadb.createDatabase(database)
  const platform = await readFile(new URL('../support/platform.sql', import.meta.url), 'utf8')
  await mariadb.query(database, platform)
})

let made = 0

async function makeDevice(): Promise<FieldDevice> {
  made += 1
  const uuid = randomUUID()
  const deviceId = `AIOT-ESP32-${String(made).padStart(8, '0')}`
  const secret = randomUUID().replaceAll('-', '')
  await mariadb.query(
    database,
    'INSERT INTO device_main (uuid, device_id, name, device_secret) VALUES (?, ?, ?, ?)',
    [uuid, deviceId, deviceId, secret],
  )
  const [row] = await mariadb.query(database, 'SELECT id FROM device_main WHERE uuid = ?', [uuid])
  return { id: Number(row?.['id']), uuid, deviceId, secret }
}

function serve(): Promise<Server> {
  return startServer({ DATABASE_URL: mariadb.url(database) })
}

/** Publishes as the firmware does; it is over when the acknowledgement has come. */
async function publish(server: Server, device: FieldDevice, topic: string, message: string): Promise<void> {
  const args = ['-h', '127.0.0.1', '-p', `${server.port('mqtt')}`, '-i', device.uuid, '-k', '60']
  const login = ['-u', device.deviceId, '-P', device.secret]
  const outcome = await run('mosquitto_pub', [...args, ...login, '-q', '1', '-t', topic, '-s'], message)
  expect(outcome).toMatchObject({ code: 0, stderr: '' })
}

async function deviceRow(device: FieldDevice) {
  const [row] = await mariadb.query(
    database,
    'SELECT *, TIMESTAMPDIFF(SECOND, last_seen, UTC_TIMESTAMP() + INTERVAL 8 HOUR) AS seen_ago FROM device_main WHERE id = ?',
    [device.id],
  )
  return { ...row, last_report_data: row?.['last_report_data'] }
}

function sensorRows(device: FieldDevice) {
  return mariadb.query(
    database,
    'SELECT sensor_name, sensor_value, sensor_unit, sensor_type, timestamp FROM device_sensors WHERE device_uuid = ? ORDER BY sensor_name',
    [device.uuid],
  )
}

function historyRows(device: FieldDevice) {
  return mariadb.query(
    database,
    'SELECT sensor_name, value, recorded_at FROM device_sensor_history WHERE device_id = ? ORDER BY sensor_name, recorded_at',
    [device.id],
  )
}

const isoNow = expect.stringMatching(/^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?\+08:00$/)
const dateTimeNow = expect.stringMatching(/^20\d\d-\d\d-\d\d \d\d:\d\d:\d\d$/)
const dateTimeMsNow = expect.stringMatching(/^20\d\d-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}$/)
const isRecent = expect.toSatisfy((seconds: unknown) => Math.abs(Number(seconds)) < 60, 'within a minute')

describe('what devices send, in a database that the platform made', () => {
  test('DHT11 data gives two sensors, timed now, since its timestamp is an uptime', async () => {
    const server = await serve()
    const device = await makeDevice()
    const message = `{"device_id":"${device.deviceId}","sensor":"DHT11","temperature":24.4,"humidity":39.0,"timestamp":1234}`
    await publish(server, device, `devices/${device.uuid}/data`, message)
    expect(await deviceRow(device)).toMatchObject({
      is_online: 1,
      device_status: 'pending',
      seen_ago: isRecent,
      last_heartbeat: null,
      last_report_data: {
        sensors: {
          temperature: { value: 24.4, unit: '', timestamp: isoNow },
          humidity: { value: 39, unit: '', timestamp: isoNow },
        },
        upload_timestamp: isoNow,
      },
    })
    expect(await sensorRows(device)).toEqual([
      {
        sensor_name: 'humidity',
        sensor_value: '39',
        sensor_unit: '',
        sensor_type: 'DHT11',
        timestamp: dateTimeNow,
      },
      {
        sensor_name: 'temperature',
        sensor_value: '24.4',
        sensor_unit: '',
        sensor_type: 'DHT11',
        timestamp: dateTimeNow,
      },
    ])
    expect(await historyRows(device)).toEqual([
      { sensor_name: 'humidity', value: 39, recorded_at: dateTimeMsNow },
      { sensor_name: 'temperature', value: 24.4, recorded_at: dateTimeMsNow },
    ])
  })

  test('sensors that report apart, and in either topic tree, don’t wipe each other', async () => {
    const server = await serve()
    const device = await makeDevice()
    await publish(server, device, `devices/${device.uuid}/data`, '{"sensor":"DS18B20","temperature":21.5}')
    await publish(
      server,
      device,
      `device/${device.deviceId}/data`,
      '{"sensor":"RAIN_SENSOR","is_raining":true,"level":0,"timestamp":1300}',
    )
    await publish(
      server,
      device,
      `devices/${device.deviceId}/data`,
      '{"sensor":"DHT11","temperature":nan,"humidity":40}',
    )
    const row = await deviceRow(device)
    expect(row.last_report_data).toEqual({
      sensors: {
        ds18b20: { value: 21.5, unit: '', timestamp: isoNow },
        rain: { value: true, unit: '', timestamp: isoNow },
        rain_level: { value: 0, unit: '', timestamp: isoNow },
        humidity: { value: 40, unit: '', timestamp: isoNow },
      },
      upload_timestamp: isoNow,
    })
    expect((await sensorRows(device)).map((sensor) => Object.values(sensor).slice(0, 4))).toEqual([
      ['ds18b20', '21.5', '', 'DS18B20'],
      ['humidity', '40', '', 'DHT11'],
      ['rain', 'true', '', 'RAIN_SENSOR'],
      ['rain_level', '0', '', 'RAIN_SENSOR'],
    ])
    expect((await historyRows(device)).map((reading) => [reading['sensor_name'], reading['value']])).toEqual([
      ['ds18b20', 21.5],
      ['humidity', 40],
      ['rain', 1],
      ['rain_level', 0],
    ])
  })

  test('the HTTP API’s form keeps units, times, status and location', async () => {
    const server = await serve()
    const device = await makeDevice()
    const message = JSON.stringify({
      sensors: [
        { sensor_name: 'temperature', value: 25.5, unit: '°C', timestamp: '2025-12-19T14:30:00+08:00' },
        { sensor_name: 'door', value: false },
      ],
      status: { battery: 80 },
      location: { latitude: 39.9, longitude: 116.4 },
      timestamp: 1_766_125_800,
    })
    await publish(server, device, `devices/${device.uuid}/data`, message)
    expect((await deviceRow(device)).last_report_data).toEqual({
      sensors: {
        temperature: { value: 25.5, unit: '°C', timestamp: '2025-12-19T14:30:00+08:00' },
        door: { value: false, unit: '', timestamp: '2025-12-19T14:30:00+08:00' },
      },
      status: { battery: 80 },
      location: { latitude: 39.9, longitude: 116.4 },
      upload_timestamp: isoNow,
    })
    expect(await sensorRows(device)).toEqual([
      {
        sensor_name: 'door',
        sensor_value: 'false',
        sensor_unit: '',
        sensor_type: '',
        timestamp: '2025-12-19 14:30:00',
      },
      {
        sensor_name: 'temperature',
        sensor_value: '25.5',
        sensor_unit: '°C',
        sensor_type: '',
        timestamp: '2025-12-19 14:30:00',
      },
    ])
    await publish(server, device, `devices/${device.uuid}/data`, message)
    expect(await historyRows(device)).toEqual([
      { sensor_name: 'door', value: 0, recorded_at: '2025-12-19 14:30:00.000' },
      { sensor_name: 'temperature', value: 25.5, recorded_at: '2025-12-19 14:30:00.000' },
    ])
  })

  test('the simple form', async () => {
    const server = await serve()
    const device = await makeDevice()
    await publish(
      server,
      device,
      `device/${device.uuid}/data`,
      '{"temperature":25.5,"humidity":60,"light":850}',
    )
    expect((await sensorRows(device)).map((sensor) => Object.values(sensor).slice(0, 2))).toEqual([
      ['humidity', '60'],
      ['light', '850'],
      ['temperature', '25.5'],
    ])
  })

  test('a heartbeat sets last_seen and last_heartbeat, and leaves the report alone', async () => {
    const server = await serve()
    const device = await makeDevice()
    await publish(
      server,
      device,
      `devices/${device.uuid}/heartbeat`,
      '{"sequence":7,"timestamp":978307201000,"status":1}',
    )
    const row = await deviceRow(device)
    expect(row).toMatchObject({
      is_online: 1,
      device_status: 'pending',
      seen_ago: isRecent,
      last_report_data: null,
    })
    expect(row).toMatchObject({ last_heartbeat: dateTimeNow })
  })

  test('a status is merged into the report, and fills the columns that it names', async () => {
    const server = await serve()
    const device = await makeDevice()
    const topic = `devices/${device.uuid}/status`
    await publish(
      server,
      device,
      topic,
      `{"device_id":"${device.deviceId}","uptime":60,"free_heap":200000,"wifi_connected":true,"mqtt_connected":true,"ble_connected":false,"timestamp":60}`,
    )
    await publish(
      server,
      device,
      topic,
      '{"status":"active","uptime":90,"ip_address":"192.168.1.7","firmware_version":"1.2.0"}',
    )
    const row = await deviceRow(device)
    expect(row).toMatchObject({
      is_online: 1,
      device_status: 'active',
      ip_address: '192.168.1.7',
      firmware_version: '1.2.0',
    })
    expect(row.last_report_data).toMatchObject({
      status: {
        uptime: 90,
        free_heap: 200_000,
        wifi_connected: true,
        mqtt_connected: true,
        ble_connected: false,
      },
    })
    await publish(server, device, topic, '{"status":"offline"}')
    expect(await deviceRow(device)).toMatchObject({ is_online: 0, device_status: 'offline' })
    expect(await sensorRows(device)).toEqual([])
  })

  test('a message of an unknown device is acknowledged and rejected, with a warning that names it once', async () => {
    const server = await serve()
    const args = [
      '-h',
      '127.0.0.1',
      '-p',
      `${server.port('mqtt')}`,
      '-u',
      'admin',
      '-P',
      'an administrator of tests',
    ]
    for (const value of [1, 2]) {
      const message = ['-q', '1', '-t', 'devices/nobody/data', '-m', `{"a":${value}}`]
      expect(await run('mosquitto_pub', [...args, ...message])).toMatchObject({ code: 0 })
    }
    const warnings = server.log.filter(({ reason }) => reason === 'unknown-device')
    expect(warnings).toMatchObject([{ level: 'warn', device: 'nobody' }])
    expect(await mariadb.query(database, "SELECT id FROM device_main WHERE device_id = 'nobody'")).toEqual([])
  })
})
