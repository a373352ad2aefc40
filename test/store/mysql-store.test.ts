import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createConnection } from 'mysql2/promise'
import { afterEach, expect, inject, onTestFinished, test, vi } from 'vitest'
import type { MysqlAddress } from '#src/config/database-url.js'
import { formatIso } from '#src/store/date-time.js'
import { openMysqlStore } from '#src/store/mysql/open-mysql-store.js'
import type { Store } from '#src/store/store.js'
import { addAnyDevice, batchOf, newest, reading, report, seen } from '../support/batches.js'
import { freePort } from '../support/free-port.js'
import { mariadbAt } from '../support/mariadb.js'

const nowMs = Math.floor(Date.now() / 1000) * 1000
const mariadb = mariadbAt(inject('mariadbPort'))
const platform = await readFile(new URL('../support/platform.sql', import.meta.url), 'utf8')

const opened: Store[] = []
afterEach(async () => {
  for (const store of opened.splice(0)) await store.close()
})

async function open(address: MysqlAddress): Promise<Store> {
  const store = await openMysqlStore(address, { zoneOffsetMinutes: 480 })
  opened.push(store)
  return store
}

/** A database in which `statements` have run. */
async function databaseWith(statements: string): Promise<MysqlAddress> {
  const database = `test_${randomUUID().replaceAll('-', '')}`
  await mariadb.createDatabase(database)
  onTestFinished(async () => void (await mariadb.query('mysql', `DROP DATABASE ${database}`)))
  if (statements !== '') await mariadb.query(database, statements)
  return { kind: 'mysql', host: '127.0.0.1', port: mariadb.port, user: 'root', password: '', database }
}

/** A user with a password and these rights on the database. */
async function userOf(address: MysqlAddress, rights: string): Promise<MysqlAddress> {
  const user = randomUUID().slice(0, 13)
  const password = `p@ss-${randomUUID()}`
  await mariadb.query('mysql', `CREATE USER '${user}'@'%' IDENTIFIED BY '${password}'`)
  await mariadb.query('mysql', `GRANT ${rights} ON ${address.database}.* TO '${user}'@'%'`)
  onTestFinished(async () => void (await mariadb.query('mysql', `DROP USER '${user}'@'%'`)))
  return { ...address, user, password }
}

const stored = async (store: Store, id: number) => {
  const found = await store.reportDevice(id)
  if (found === undefined) throw new Error(`device ${id} is gone`)
  return found
}

test("The platform's tables are used as they are, by a login that may create nothing", async () => {
  const address = await databaseWith(platform)
  await (await open(address)).close()
  const store = await open(await userOf(address, 'SELECT, INSERT, UPDATE, DELETE'))
  const device = await addAnyDevice(store)
  await store.write(report(device, 'light', 1, nowMs))
  expect(await stored(store, device.id)).toMatchObject({ is_online: true, sensors: [{ sensor_value: '1' }] })
  expect(await store.removeDevice(device.id)).toBe(true)
})

test("Tables that are absent are created with the platform's columns", async () => {
  const columns = `SELECT table_name, column_name, column_type, is_nullable, column_default, character_set_name
    FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name <> 'device_sensor_history'
    ORDER BY table_name, ordinal_position`
  const address = await databaseWith('')
  await open(address)
  const theirs = await databaseWith(platform)
  expect(await mariadb.query(address.database, columns)).toEqual(
    await mariadb.query(theirs.database, columns),
  )
})

test('A login that may not create the table that is absent is told so', async () => {
  const address = await userOf(await databaseWith(platform), 'SELECT, INSERT, UPDATE, DELETE')
  await expect(open(address)).rejects.toMatchObject({
    code: 'STORE_UNAVAILABLE',
    message: expect.stringMatching(/CREATE.*device_sensor_history.*grant/s),
  })
})

test('Columns that are missing are named, and so is a missing key', async () => {
  const columns = `${platform} ALTER TABLE device_main DROP last_heartbeat, DROP ip_address;
    ALTER TABLE device_sensors DROP sensor_type`
  await expect(open(await databaseWith(columns))).rejects.toMatchObject({
    code: 'STORE_SCHEMA',
    message: expect.stringMatching(
      /device_main lacks last_heartbeat, ip_address; device_sensors lacks sensor_type/,
    ),
  })
  const key = `${platform} ALTER TABLE device_sensors DROP KEY uk_device_sensor`
  await expect(open(await databaseWith(key))).rejects.toMatchObject({
    code: 'STORE_SCHEMA',
    message: expect.stringContaining('device_uuid, sensor_name'),
  })
})

test('A refused connection, login or database is STORE_UNAVAILABLE, and shows no password', async () => {
  const address = await databaseWith(platform)
  const login = await userOf(address, 'SELECT')
  const password = 'not the p@ssword'
  for (const [wrong, told] of [
    [{ ...login, port: await freePort() }, 'ECONNREFUSED'],
    [{ ...login, password }, 'ER_ACCESS_DENIED_ERROR'],
    [{ ...login, user: 'root', password: '', database: 'absent' }, 'ER_BAD_DB_ERROR'],
    [{ ...login, host: 'no-such-host.invalid' }, 'no-such-host.invalid'],
  ] as const) {
    const failure: unknown = await open(wrong).catch((error: unknown) => error)
    expect(failure).toMatchObject({ code: 'STORE_UNAVAILABLE', message: expect.stringContaining(told) })
    const text = `${String(failure)} ${JSON.stringify(failure)}`
    expect(text).not.toContain(login.password)
    expect(text).not.toContain(password)
  }
})

test.each([
  ['an array', "'[1, 2]'"],
  ['a text', `'"offline"'`],
  ['JSON null', "'null'"],
  ['no JSON at all', "'{broken'"],
  ['an object with sensors that are none', `'{"sensors": [1], "kept": true}'`],
])('A last_report_data that is %s gives way to the report', async (_, value) => {
  const address = await databaseWith(`${platform} ALTER TABLE device_main MODIFY last_report_data LONGTEXT`)
  const store = await open(address)
  const device = await addAnyDevice(store)
  await mariadb.query(address.database, `UPDATE device_main SET last_report_data = ${value}`)
  expect(await stored(store, device.id)).toBeDefined()
  await store.write(report(device, 'light', 1, nowMs))
  const { last_report_data } = await stored(store, device.id)
  const light = { value: 1, unit: '', timestamp: formatIso(nowMs, 480) }
  expect(last_report_data).toEqual({
    ...(value.includes('kept') ? { kept: true } : {}),
    sensors: { light },
  })
})

test.each([
  ['latin1', 'latin1_swedish_ci'],
  ['utf8mb4', 'utf8mb4_general_ci'],
  ['utf8mb4', 'utf8mb4_bin'],
  ['utf8mb3', 'utf8mb3_unicode_ci'],
  ['gbk', 'gbk_chinese_ci'],
])('Tables in %s with %s are read and written', async (charset, collation) => {
  const odd = platform.replaceAll(
    'CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci',
    `CHARSET=${charset} COLLATE=${collation}`,
  )
  const store = await open(await databaseWith(odd))
  const device = await addAnyDevice(store)
  const change = { deviceStatus: 'active', ipAddress: '::1', firmwareVersion: '1' }
  const unit = charset === 'gbk' ? '℃' : '°C'
  for (const value of [1, 2]) {
    await store.write({
      ...report(device, 'light', value, nowMs),
      devices: [seen(device, nowMs, change)],
      sensors: [newest(device, 'light', value, nowMs, { unit })],
    })
  }
  expect(await stored(store, device.id)).toMatchObject({
    device_status: 'active',
    ip_address: '::1',
    last_report_data: { sensors: { light: { value: 2, unit } } },
    sensors: [{ sensor_value: '2', sensor_unit: unit }],
  })
  expect(await store.findDevice(device.deviceId)).toMatchObject({ id: device.id })
  for (const name of ['温室', '😀', device.uuid.toUpperCase().replace(/^/, 'x'), `${device.uuid} `]) {
    expect(await store.findDevice(name)).toBeUndefined()
  }
})

test('A write that is the victim of a deadlock is done again', async () => {
  const address = await databaseWith(platform)
  const store = await open(address)
  const first = await addAnyDevice(store)
  const second = await addAnyDevice(store)
  const { kind: _kind, ...login } = address
  const other = await createConnection({ ...login, multipleStatements: true })
  onTestFinished(() => other.end())
  const deadlocks = async () => {
    const [row] = await mariadb.query('mysql', "SHOW GLOBAL STATUS LIKE 'Innodb_deadlocks'")
    return Number(row?.['Value'])
  }
  const before = await deadlocks()
  // The heavier transaction survives, so this one changes a thousand rows first.
  await other.query(`CREATE TABLE ballast SELECT seq FROM seq_1_to_1000; BEGIN; UPDATE ballast SET seq = 0`)
  await other.query('UPDATE device_main SET room = 1 WHERE id = ?', [second.id])
  const history = [reading(first, 'light', 1, nowMs)]
  const writing = store.write({ ...batchOf({ history }), devices: [seen(first, nowMs), seen(second, nowMs)] })
  await vi.waitUntil(
    async () => {
      const waits = `SELECT 1 FROM information_schema.innodb_trx t JOIN information_schema.processlist p
        ON p.id = t.trx_mysql_thread_id WHERE t.trx_state = 'LOCK WAIT' AND p.db = DATABASE()`
      return (await mariadb.query(address.database, waits)).length > 0
    },
    // The server refreshes that table only when it was not read for 100 ms.
    { timeout: 4000, interval: 200 },
  )
  await other.query('UPDATE device_main SET room = 2 WHERE id = ?', [first.id])
  await other.query('COMMIT')
  await writing
  expect(await deadlocks()).toBe(before + 1)
  expect(await stored(store, first.id)).toMatchObject({ is_online: true })
  expect(await stored(store, second.id)).toMatchObject({ is_online: true })
  const range = { deviceId: first.id, sensor: 'light', fromMs: nowMs, toMs: nowMs + 1, limit: 9 }
  expect(await store.readHistory(range)).toHaveLength(1)
})

test('Four lanes write side by side without losing or doubling a reading', async () => {
  const store = await open(await databaseWith(platform))
  const devices = await Promise.all(Array.from({ length: store.lanes }, () => addAnyDevice(store)))
  await Promise.all(
    devices.map(async (device) => {
      for (let round = 0; round < 25; round++) {
        await store.write(report(device, `sensor_${round % 7}`, round, nowMs - 1000 + round))
      }
    }),
  )
  for (const device of devices) {
    const counts = await Promise.all(
      Array.from({ length: 7 }, async (_, index) => {
        const range = { deviceId: device.id, fromMs: 0, toMs: nowMs, limit: 99 }
        return (await store.readHistory({ ...range, sensor: `sensor_${index}` })).length
      }),
    )
    expect(counts.reduce((sum, count) => sum + count)).toBe(25)
  }
})
