import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { type RunningMariadb, startMariadb } from '../support/mariadb.js'
import { connectRaw } from '../support/raw-client.js'
import { type ReportingDevice, reportOf, startReporting } from '../support/reporting-device.js'
import { ADMINISTRATOR, type LogLine, type Server, spawnServer, startServer } from '../support/server.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const DEVICES = 20

async function privateMariadb(options: readonly string[] = []): Promise<RunningMariadb> {
  const mariadb = await startMariadb(options)
  onTestFinished(mariadb.stop)
  await mariadb.createDatabase('readings')
  return mariadb
}

function environment(mariadb: RunningMariadb): Readonly<Record<string, string>> {
  return { DATABASE_URL: mariadb.url('readings'), UNKNOWN_DEVICES: 'register' }
}

function startFleet(server: Server): Promise<ReportingDevice[]> {
  return Promise.all(Array.from({ length: DEVICES }, (_, index) => startReporting(server, `fleet-${index}`)))
}

const allGoOn = (fleet: readonly ReportingDevice[], more: number) =>
  Promise.all(fleet.map((device) => device.goesOn(more)))

const isAway = ({ msg }: LogLine): boolean => msg.startsWith('cannot write to the database; messages go to')
const isReplaying = ({ msg }: LogLine): boolean => msg.startsWith('writing what waits in the spool')
const isEmpty = ({ msg }: LogLine): boolean => msg === 'the spool is empty'

const login = () => ({ username: ADMINISTRATOR.username, password: Buffer.from(ADMINISTRATOR.password) })

/** Every acknowledged number is in the history exactly once, none twice, and the newest is the state. */
async function expectAllStoredOnce(
  mariadb: RunningMariadb,
  fleet: readonly ReportingDevice[],
): Promise<void> {
  const rows = await mariadb.query(
    'readings',
    `SELECT m.device_id AS name, COUNT(*) AS readings, COUNT(DISTINCT h.value) AS numbers, MAX(h.value) AS newest,
       JSON_VALUE(m.last_report_data, '$.sensors.value.value') AS reported,
       (SELECT sensor_value FROM device_sensors s WHERE s.device_uuid = m.uuid) AS state
     FROM device_sensor_history h JOIN device_main m ON m.id = h.device_id GROUP BY m.id`,
  )
  const stored = new Map(rows.map((row) => [String(row['name']), row]))
  for (const { name, acknowledged } of fleet) {
    const row = stored.get(name)
    const newest = Number(row?.['newest'])
    const told = { name, newest, readings: Number(row?.['readings']), numbers: Number(row?.['numbers']) }
    expect(told).toEqual({ name, newest, readings: newest, numbers: newest })
    expect(newest).toBeGreaterThanOrEqual(acknowledged())
    expect({ name, reported: row?.['reported'], state: row?.['state'] }).toEqual({
      name,
      reported: String(newest),
      state: String(newest),
    })
  }
}

test('a database that is killed under load: devices stay connected and are acknowledged, and all is stored once when it is back', async () => {
  const mariadb = await privateMariadb()
  const server = await startServer(environment(mariadb))
  const fleet = await startFleet(server)
  await allGoOn(fleet, 5)
  await mariadb.crash()
  await server.logged(isAway)
  await allGoOn(fleet, 20)
  await mariadb.restart()
  await server.logged(isEmpty)
  await allGoOn(fleet, 5)
  await Promise.all(fleet.map((device) => device.finish()))
  await expectAllStoredOnce(mariadb, fleet)
}, 90_000)

test('a database that hangs is like one that is away', async () => {
  const mariadb = await privateMariadb()
  const server = await startServer(environment(mariadb))
  const fleet = await startFleet(server)
  await allGoOn(fleet, 5)
  mariadb.freeze()
  await server.logged(isAway)
  await allGoOn(fleet, 20)
  mariadb.thaw()
  await server.logged(isEmpty)
  await allGoOn(fleet, 5)
  await Promise.all(fleet.map((device) => device.finish()))
  await expectAllStoredOnce(mariadb, fleet)
}, 90_000)

test('a server that is killed while it spools, and again while it replays, has lost and doubled nothing', async () => {
  const mariadb = await privateMariadb()
  const first = await startServer(environment(mariadb))
  const fleet = await startFleet(first)
  await allGoOn(fleet, 5)
  await mariadb.crash()
  await first.logged(isAway)
  await allGoOn(fleet, 20)
  first.kill('SIGKILL')
  await first.ended

  await mariadb.restart()
  const slow = { ...environment(mariadb), INGEST_BATCH: '1' } // a replay of many steps
  const second = await startServer(slow, first.folder)
  await second.logged(isReplaying)
  second.kill('SIGKILL')
  await second.ended
  expect(second.log.filter(isEmpty)).toEqual([])

  const third = await startServer(environment(mariadb), first.folder)
  await third.logged(isEmpty)
  await expectAllStoredOnce(mariadb, fleet)
}, 90_000)

test('a message that the database refuses is found among those that were spooled, and kept with the reason', async () => {
  const mariadb = await privateMariadb()
  const server = await startServer(environment(mariadb))
  const device = await connectRaw(server.port('mqtt'), login())
  device.send(reportOf('some', 1))
  await device.count('puback', 1)
  await mariadb.query(
    'readings',
    'ALTER TABLE device_sensor_history ADD CONSTRAINT no_13 CHECK (value NOT IN (13, 113))',
  )
  await mariadb.crash()
  device.send(...Array.from({ length: 99 }, (_, index) => reportOf('some', index + 2)))
  await device.count('puback', 100)
  await mariadb.restart()
  await server.logged(isEmpty)
  device.send(reportOf('some', 113), reportOf('some', 114)) // refused without a way by the spool
  await device.count('puback', 102)

  const rows = await mariadb.query('readings', 'SELECT value FROM device_sensor_history ORDER BY value')
  const all = Array.from({ length: 100 }, (_, index) => index + 1).filter((value) => value !== 13)
  expect(rows.map(({ value }) => value)).toEqual([...all, 114])
  const kept = await readFile(join(server.folder, 'data', 'rejected.ndjson'), 'utf8')
  const lines = kept
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  expect(lines).toMatchObject(
    [13, 113].map((value) => ({
      device: 'some',
      reason: expect.stringContaining('no_13'),
      report: { readings: [{ sensor: 'value', value }] },
    })),
  )
}, 90_000)

test('a full spool: QoS 1 waits with its publisher, QoS 0 is dropped and counted, and all goes on with the database', async () => {
  const mariadb = await privateMariadb()
  const server = await startServer({ ...environment(mariadb), SPOOL_MAX_MB: '1', INGEST_BATCH: '10' })
  const device = await connectRaw(server.port('mqtt'), login())
  const other = await connectRaw(server.port('mqtt'), login())
  other.send(reportOf('other', 1))
  await other.count('puback', 1)
  device.send(reportOf('some', 1))
  await device.count('puback', 1)
  await mariadb.crash()
  const total = 8000
  device.send(...Array.from({ length: total - 1 }, (_, index) => reportOf('some', index + 2)))
  await server.logged(({ msg }) => msg.startsWith('the spool is full'))
  const acknowledged = device.received.filter(({ cmd }) => cmd === 'puback').length
  expect(acknowledged).toBeLessThan(total)
  other.send(...Array.from({ length: 500 }, (_, index) => reportOf('other', index + 2, 0)), {
    cmd: 'pingreq',
  })
  await other.count('pingresp', 1)
  await server.logged(({ reason }) => reason === 'dropped')

  await mariadb.restart()
  await device.count('puback', total)
  await server.logged(isEmpty)
  const [row] = await mariadb.query(
    'readings',
    `SELECT COUNT(*) AS readings, COUNT(DISTINCT value) AS numbers FROM device_sensor_history
     WHERE device_id = (SELECT id FROM device_main WHERE device_id = 'some')`,
  )
  expect(row).toEqual({ readings: total, numbers: total })
}, 90_000)

test('a spool file that is damaged stops the start, which names it and what to do', async () => {
  const folder = await temporaryFolder()
  await mkdir(join(folder, 'data'))
  const path = join(folder, 'data', 'spool.db')
  await writeFile(path, 'no database at all '.repeat(1000))
  const server = await spawnServer({}, folder)
  expect(await server.ended).toBe(1)
  expect(server.text()).toContain('data/spool.db')
  expect(server.text()).toContain('move it away')
  expect(await readFile(path, 'utf8')).toContain('no database at all')
})
