import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { sql } from 'drizzle-orm'
import { expect, inject, onTestFinished, test } from 'vitest'
import { mysqlConnections } from '#src/store/mysql/mysql-connections.js'
import { writeBatch } from '#src/store/mysql/write-batch.js'
import { addAnyDevice, report, seen } from '../support/batches.js'
import { mariadbAt } from '../support/mariadb.js'
import { mysqlDatabase, zoneOffsetMinutes } from '../support/store-databases.js'

const mariadb = mariadbAt(inject('mariadbPort'))
const nowMs = Math.floor(Date.now() / 1000) * 1000
const MINUTE_MS = 60_000

async function emptyDatabase() {
  const database = await mysqlDatabase(mariadb)
  onTestFinished(database.remove)
  const { address } = database
  if (address.kind !== 'mysql') throw new Error('no MariaDB')
  return { ...database, address }
}

const options = { limit: 1, zone: '+08:00', takesSeveralStatements: true }

test('A batch that reaches the database long after it was made changes nothing that came later', async () => {
  const database = await emptyDatabase()
  const store = await database.open()
  onTestFinished(store.close)
  const connections = mysqlConnections(database.address, options)
  onTestFinished(connections.close)
  const device = await addAnyDevice(store)
  const at = (timeMs: number, value: number) => {
    const said = { firmwareVersion: `${value}`, heartbeatAtMs: timeMs }
    return { ...report(device, 'light', value, timeMs), devices: [seen(device, timeMs, said)] }
  }
  await store.write(at(nowMs, 2))
  const before = await store.reportDevice(device.id)
  const late = at(nowMs - MINUTE_MS, 1)
  await connections.run((db, maxPacketBytes) =>
    writeBatch(db, late, { zoneOffsetMinutes, maxPacketBytes, nowMs: nowMs - MINUTE_MS }),
  )
  expect(await store.reportDevice(device.id)).toEqual(before)
})

test('A connection that fails is reset, so that nothing arrives that was on its way', async () => {
  const { address } = await emptyDatabase()
  let told: Promise<unknown> = Promise.resolve()
  const server = createServer((client) => {
    const database = connect({ port: address.port, host: '127.0.0.1' })
    told = once(client, 'close').catch((error: unknown) => error)
    database.on('error', () => undefined)
    client.pipe(database).pipe(client)
  })
  onTestFinished(() => void server.close())
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const port = Reflect.get(Object(server.address()), 'port')
  const connections = mysqlConnections({ ...address, port }, options)
  onTestFinished(connections.close)
  await expect(connections.run((db) => db.execute(sql`SELECT nothing`))).rejects.toThrow('nothing')
  expect(await told).toMatchObject({ code: 'ECONNRESET' })
})
