import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import type { Store } from '#src/store/store.js'
import { addAnyDevice, batchOf, newest, reading, report, seen } from '../support/batches.js'
import { type RunningMariadb, startMariadb } from '../support/mariadb.js'
import { mysqlDatabase, type TestDatabase } from '../support/store-databases.js'

// A server whose defaults are unlike those of the connections that the store makes.
const MAX_PACKET_BYTES = 65_536
const oddDefaults = [
  '--sql-mode=ANSI,NO_BACKSLASH_ESCAPES',
  '--default-time-zone=-05:00',
  '--character-set-server=latin1',
  '--transaction-isolation=SERIALIZABLE',
  `--max-allowed-packet=${MAX_PACKET_BYTES}`,
]

let mariadb: RunningMariadb
let database: TestDatabase
let store: Store
beforeAll(async () => {
  mariadb = await startMariadb(oddDefaults)
  database = await mysqlDatabase(mariadb)
  store = await database.open()
})
afterAll(async () => {
  await store?.close()
  await mariadb?.stop()
})

/** Ends every connection but the one that it is asked on. */
const KILL_ALL = `
  BEGIN NOT ATOMIC FOR i IN (SELECT id FROM information_schema.processlist WHERE id <> CONNECTION_ID()
    AND user = 'root') DO KILL i.id; END FOR; END`

const nowMs = Math.floor(Date.now() / 1000) * 1000

test('Text keeps its quotes and backslashes, whatever sql_mode the server starts with', async () => {
  const device = await store.addDevice({ uuid: `'"\\`, deviceId: `\\'`, name: `\\"`, secret: `\\` })
  await store.write(
    batchOf({ sensors: [newest(device, 'light', 1, nowMs, { unit: `'"\\°`, type: `\\'; DROP` })] }),
  )
  expect(await store.findDevice(`'"\\`)).toEqual(device)
  expect((await store.reportDevice(device.id))?.sensors).toMatchObject([
    { sensor_unit: `'"\\°`, sensor_type: `\\'; DROP` },
  ])
})

test.each(['what?', `'"\\`, `x'); DROP TABLE device_main; --`, 'a\u0000b', '$1', ''])(
  'A sensor named %j is stored in the history under that name',
  async (sensor) => {
    const device = await addAnyDevice(store)
    const history = [reading(device, sensor, 1, nowMs), reading(device, 'what', 2, nowMs)]
    await store.write(batchOf({ history }))
    const range = { deviceId: device.id, fromMs: nowMs, toMs: nowMs + 1, limit: 10 }
    expect(await store.readHistory({ ...range, sensor })).toEqual([{ recordedAtMs: nowMs, value: 1 }])
    expect(await store.readHistory({ ...range, sensor: 'what' })).toEqual([{ recordedAtMs: nowMs, value: 2 }])
  },
)

test('A name that a latin1 column cannot hold is of no device, and hides no other', async () => {
  const ours = await mysqlDatabase(mariadb)
  await ours.open().then((first) => first.close())
  await ours.query(
    `ALTER TABLE device_main MODIFY uuid VARCHAR(36) CHARACTER SET latin1 NOT NULL,
       MODIFY device_id VARCHAR(50) CHARACTER SET latin1 NOT NULL`,
  )
  const latin1 = await ours.open()
  onTestFinished(latin1.close)
  const device = await latin1.addDevice({ uuid: 'é-1', deviceId: 'one', name: 'n', secret: 's' })
  for (const odd of ['温室', '😀', '\ud83d', '?', '??', 'É-1', 'é-1 ']) {
    expect(await latin1.findDevice(odd), odd).toBe(undefined)
    const found = await latin1.findDevices([odd, 'é-1', 'nobody', 'one'])
    expect(found, odd).toEqual(
      new Map([
        ['é-1', device],
        ['one', device],
      ]),
    )
  }
})

test("CURRENT_TIMESTAMP is in the columns' zone, not the server's", async () => {
  const device = await addAnyDevice(store)
  const [row] = await database.query(
    `SELECT TIMESTAMPDIFF(SECOND, UTC_TIMESTAMP(), created_at) AS ahead FROM device_main WHERE id = ${device.id}`,
  )
  expect(Number(row?.['ahead'])).toBeGreaterThan(8 * 3600 - 60)
  expect(Number(row?.['ahead'])).toBeLessThanOrEqual(8 * 3600)
})

test('A batch larger than the largest packet is written in parts, and at once', async () => {
  const device = await addAnyDevice(store)
  const history = Array.from({ length: 5000 }, (_, index) => reading(device, 'light', index, nowMs + index))
  const range = { deviceId: device.id, sensor: 'light', fromMs: nowMs, toMs: nowMs + 5000, limit: 9999 }
  const bad = { ...reading(device, 'light', 1, nowMs), value: Number.NaN }
  await expect(store.write(batchOf({ history: [...history, bad] }))).rejects.toMatchObject({
    code: 'STORE_REJECTED',
  })
  expect(await store.readHistory(range)).toEqual([])
  await store.write(batchOf({ history }))
  expect(await store.readHistory(range)).toHaveLength(5000)
})

test('A server that takes smaller packets than the one before it gets smaller ones', async () => {
  await database.query('SET GLOBAL max_allowed_packet = 1048576')
  const other = await database.open()
  onTestFinished(other.close)
  const device = await addAnyDevice(other)
  const history = Array.from({ length: 5000 }, (_, index) => reading(device, 'light', index, nowMs + index))
  await database.query(`SET GLOBAL max_allowed_packet = ${MAX_PACKET_BYTES}; ${KILL_ALL}`)
  await other.write(report(device, 'light', 1, nowMs)).catch(() => {}) // learns that its connections are gone
  await other.write(batchOf({ history }))
  const range = { deviceId: device.id, sensor: 'light', fromMs: nowMs, toMs: nowMs + 5000, limit: 9999 }
  expect(await other.readHistory(range)).toHaveLength(5000)
  await store.ping().catch(() => {}) // so does the store of the other tests
})

test('A row that no packet can take is rejected, not tried for ever', async () => {
  const device = await addAnyDevice(store)
  const status = (length: number) =>
    batchOf({
      devices: [
        seen(device, nowMs, { report: { uploadedAtMs: nowMs, status: { text: 'x'.repeat(length) } } }),
      ],
    })
  await store.write(status(MAX_PACKET_BYTES / 2))
  await expect(store.write(status(MAX_PACKET_BYTES))).rejects.toMatchObject({ code: 'STORE_REJECTED' })
  await store.write(report(device, 'light', 1, nowMs))
})

test('A server whose packets are too small for any message is to blame, and the message is not', async () => {
  const other = await database.open()
  onTestFinished(other.close)
  const device = await addAnyDevice(other)
  await database.query(`SET GLOBAL max_allowed_packet = 2048; ${KILL_ALL}`)
  await other.ping().catch(() => {}) // learns that its connections are gone
  const small = await other.write(report(device, 'light', 1, nowMs)).catch((error: unknown) => error)
  await database.query(`SET GLOBAL max_allowed_packet = ${MAX_PACKET_BYTES}; ${KILL_ALL}`)
  expect(small).toMatchObject({ code: 'STORE_UNAVAILABLE', message: expect.stringContaining('2048') })
  await store.ping().catch(() => {}) // so does the store of the other tests
})

test('A server that closes the connections is unavailable once at most, and one that is gone until it is back', async () => {
  const device = await addAnyDevice(store)
  await database.query(KILL_ALL)
  await store.write(report(device, 'light', 1, nowMs)).catch(() => {})
  await store.write(report(device, 'light', 2, nowMs))
  expect((await store.reportDevice(device.id))?.sensors).toMatchObject([{ sensor_value: '2' }])
  await mariadb.stop()
  for (const call of [store.write(report(device, 'light', 3, nowMs)), store.ping()]) {
    await expect(call).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
  }
})
