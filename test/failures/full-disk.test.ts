import { readdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { createClient } from '@libsql/client'
import type { ISubscribePacket } from 'mqtt-packet'
import { expect, test } from 'vitest'
import { addDevice } from '../support/command.js'
import { memoryDisk, type SmallDisk } from '../support/disk.js'
import { leftByCrash } from '../support/left-by-crash.js'
import { connectRaw, type RawClient } from '../support/raw-client.js'
import { reportOf, startReporting } from '../support/reporting-device.js'
import { ADMINISTRATOR, readyz, type Server, spawnServer, startServer } from '../support/server.js'

const login = () => ({ username: ADMINISTRATOR.username, password: Buffer.from(ADMINISTRATOR.password) })

const startOn = (disk: SmallDisk, environment = {}): Promise<Server> =>
  startServer({ HTTP_PORT: '0', INGEST_BATCH: '10', ...environment }, dirname(disk.path), disk.command)

/** Numbers from `from` on, at QoS 0, 1 and 2 in turns. */
function reports(from: number, count: number) {
  return Array.from({ length: count }, (_, index) => {
    const number = from + index
    const qos = number % 3 === 0 ? 0 : number % 3 === 1 ? 1 : 2
    return reportOf('some', number, qos)
  })
}

const acknowledged = (client: RawClient): number[] =>
  client.received
    .filter(({ cmd }) => cmd === 'puback' || cmd === 'pubrec')
    .map(({ messageId = 0 }) => messageId)
    .sort((one, other) => one - other)

/** What a file on the disk has; SQLite itself would not find it there. */
async function query(disk: SmallDisk, name: string, sql: string) {
  const copy = await leftByCrash(disk.outside)
  const client = createClient({ url: pathToFileURL(join(copy, name)).href })
  const { rows } = await client.execute(sql)
  client.close()
  return rows
}

async function storedNumbers(disk: SmallDisk): Promise<number[]> {
  const rows = await query(disk, 'damselfly.db', 'SELECT value FROM device_sensor_history ORDER BY value')
  return rows.map((row) => Number(row['value']))
}

const subscribe = (filter: string): ISubscribePacket => ({
  cmd: 'subscribe',
  messageId: 1,
  subscriptions: [{ topic: filter, qos: 1 }],
})

const publish = (messageId: number, topic: string, retain = false) =>
  ({ cmd: 'publish', messageId, topic, payload: 'x', qos: 1, dup: false, retain }) as const

const lastSummary = (server: Server) => server.log.findLast(({ msg }) => msg === 'summary')

test('a disk that fills under load: QoS 1 and 2 wait, QoS 0 is dropped and counted, and all goes on when there is room', async () => {
  const disk = await memoryDisk(8)
  const server = await startOn(disk)
  const device = await connectRaw(server.port('mqtt'), login())
  device.send(...reports(1, 99))
  await device.count('pubrec', 33)

  await disk.fill()
  device.send(...reports(100, 900))
  for (const [text, file] of [
    ['cannot write to the database', 'damselfly'],
    ['cannot write to the spool; nothing is acknowledged', 'spool'],
  ]) {
    expect(await server.logged(({ msg }) => msg.startsWith(`${text}`))).toMatchObject({
      error: expect.stringMatching(new RegExp(`data/${file}\\.db: .*SQLITE_FULL.*; make room on the disk`)),
    })
  }
  const before = acknowledged(device)
  expect(await readyz(server)).toMatchObject({ listeners: true, store: false })
  device.send({ cmd: 'pingreq' })
  expect(acknowledged(device)).toEqual(before)

  await disk.free()
  await Promise.all([device.count('puback', 333), device.count('pubrec', 333)])
  await device.count('pingresp', 1)
  await server.logged(({ msg }) => msg === 'the database takes writes again')
  server.kill('SIGTERM')
  await server.ended
  const summary = lastSummary(server)
  expect(summary).toMatchObject({ received: 999, rejected: {}, waiting: 0, nothingAcknowledgedSince: null })
  const dropped = Number(summary?.['dropped'])
  expect(dropped).toBeGreaterThan(0)
  const [spooled] = await query(
    disk,
    'spool.db',
    'SELECT coalesce(sum(messages), 0) AS messages FROM spooled',
  )
  const stored = await storedNumbers(disk)
  expect(stored.length + Number(spooled?.['messages'])).toBe(999 - dropped)
  expect(new Set(stored).size).toBe(stored.length)
}, 60_000)

test('a server that is killed on a full disk has stored what it acknowledged', async () => {
  const disk = await memoryDisk(6)
  const server = await startOn(disk)
  const names = ['one', 'two', 'three']
  const fleet = await Promise.all(names.map((name) => startReporting(server, name)))
  await Promise.all(fleet.map((device) => device.goesOn(20)))
  await disk.fill()
  await server.logged(({ msg }) => msg.startsWith('cannot write to the spool'))
  server.kill('SIGKILL')
  await server.ended
  await disk.free()
  const second = await startOn(disk)
  second.kill('SIGTERM')
  await second.ended
  const rows = await query(
    disk,
    'damselfly.db',
    'SELECT m.name, max(h.value) newest, count(*) readings FROM device_sensor_history h JOIN device_main m ON m.id = h.device_id GROUP BY m.id',
  )
  for (const { name, acknowledged: last } of fleet) {
    const row = rows.find((one) => one['name'] === name)
    expect(row?.['readings']).toBe(row?.['newest'])
    expect(row?.['newest']).toBeGreaterThanOrEqual(last())
  }
}, 60_000)

test('sessions on a full disk: SUBSCRIBE, retained and queued messages wait for room, and nobody is disconnected', async () => {
  const disk = await memoryDisk(6)
  const server = await startOn(disk)
  const away = await connectRaw(server.port('mqtt'), { ...login(), clientId: 'away', clean: false })
  away.send(subscribe('queued'))
  await away.count('suback', 1)
  away.socket.end()
  const [subscriber, publisher] = [
    await connectRaw(server.port('mqtt'), { ...login(), clientId: 'here', clean: false }),
    await connectRaw(server.port('mqtt'), login()),
  ]
  const device = await addDevice(dirname(disk.path), {}, disk.command)
  await disk.fill()
  subscriber.send(subscribe('retained'))
  publisher.send(publish(1, 'retained', true), publish(2, 'queued'))
  await connectRaw(server.port('mqtt'), { username: device.deviceId, password: Buffer.from(device.secret) })
  await server.logged(({ msg }) => msg.startsWith('sessions cannot be saved'))
  await server.logged(({ msg }) =>
    msg.startsWith('cannot remember which devices are connected; trying again'),
  )
  expect(await readyz(server)).toMatchObject({ sessions: false })
  expect([subscriber, publisher].map(({ received }) => received.length)).toEqual([1, 1])

  await disk.free()
  await subscriber.count('suback', 1)
  await subscriber.count('publish', 1)
  await publisher.count('puback', 2)
  await server.logged(({ msg }) => msg === 'sessions are saved again')
  expect(await readyz(server)).toMatchObject({ sessions: true })
  server.kill('SIGKILL')
  await server.ended
  const second = await startOn(disk)
  const back = await connectRaw(second.port('mqtt'), { ...login(), clientId: 'away', clean: false })
  await back.count('publish', 1)
}, 120_000)

test('sessions that nobody uses are well again without a message', async () => {
  const disk = await memoryDisk(6)
  const server = await startOn(disk)
  await disk.fill()
  const client = await connectRaw(server.port('mqtt'), { ...login(), clientId: 'a', clean: false })
  client.send(subscribe('some'))
  await server.logged(({ msg }) => msg.startsWith('sessions cannot be saved'))
  client.socket.destroy()
  await disk.free()
  expect(await readyz(server)).toEqual({ listeners: true, store: true, sessions: true })
})

test('a message that the database refuses stays in the spool until rejected.ndjson takes it; a live one is told', async () => {
  const disk = await memoryDisk(6)
  const folder = dirname(disk.path)
  const path = join(folder, 'elsewhere.db')
  const server = await startOn(disk, { DATABASE_URL: 'sqlite:elsewhere.db' })
  const device = await connectRaw(server.port('mqtt'), login())
  device.send(reportOf('some', 1))
  await device.count('puback', 1)
  const database = createClient({ url: pathToFileURL(path).href, timeout: 20_000 })
  await database.execute(`CREATE TRIGGER no_13 BEFORE INSERT ON device_sensor_history WHEN new.value IN (13, 113)
    BEGIN SELECT RAISE(ABORT, 'unlucky'); END`)
  const lock = await database.transaction('write')
  device.send(reportOf('some', 13), reportOf('some', 14))
  await device.count('puback', 3)
  await disk.fill()
  lock.close()
  await server.logged(({ msg }) => msg === 'a message that the database refused cannot be kept')
  device.send(reportOf('some', 113))
  await device.count('puback', 4)
  expect(await readdir(disk.outside)).not.toContain('rejected.1.ndjson')
  await disk.free()
  await server.logged(({ msg }) => msg === 'the spool is empty')
  const { rows } = await database.execute('SELECT value FROM device_sensor_history ORDER BY value')
  database.close()
  expect(rows.map(({ value }) => value)).toEqual([1, 14])
  const kept = await readFile(join(disk.outside, 'rejected.ndjson'), 'utf8')
  expect(
    kept
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).report.readings[0].value),
  ).toEqual([13])
}, 60_000)

test.each([
  ['new', {}, /STORE_UNAVAILABLE: data\/spool\.db cannot be opened: .*full.*; make room on the disk/],
  ['password', { DATA_DIR: 'elsewhere', CONFIG_DIR: 'data/config' }, /data\/config\/passwd.*ENOSPC/],
  [
    'certificate',
    { DATA_DIR: 'elsewhere', CERTS_DIR: 'data/certs', MQTTS_PORT: '0' },
    /data\/certs\/\S+ cannot be written \(ENOSPC\)/,
  ],
])(
  'a first start on a full disk: the %s file is named, nothing is left half made, and the next start has room',
  async (_name, environment, says) => {
    const disk = await memoryDisk(4)
    await disk.fill()
    const folder = dirname(disk.path)
    const server = await spawnServer(environment, folder, disk.command)
    expect(await server.ended).toBe(1)
    expect(server.text()).toMatch(says)
    expect(server.text()).not.toMatch(/^ +at /m)
    await disk.free()
    const second = await startServer(environment, folder, disk.command)
    second.kill('SIGTERM')
    expect(await second.ended).toBe(0)
  },
)

test('a start on a disk that has filled since: the file is named, and nothing in it is lost', async () => {
  const disk = await memoryDisk(4)
  const first = await startOn(disk)
  const device = await connectRaw(first.port('mqtt'), login())
  device.send(reportOf('some', 1))
  await device.count('puback', 1)
  first.kill('SIGTERM')
  await first.ended
  await disk.fill()
  const second = await spawnServer({}, dirname(disk.path), disk.command)
  expect(await second.ended).toBe(1)
  expect(second.text()).toMatch(
    /STORE_UNAVAILABLE: data\/\w+\.db cannot be opened: .*; make room on the disk/,
  )
  await disk.free()
  const third = await startOn(disk)
  third.kill('SIGTERM')
  await third.ended
  expect(await storedNumbers(disk)).toEqual([1])
})
