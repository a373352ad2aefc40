import { expect, inject, onTestFinished, test } from 'vitest'
import { openStore } from '#src/store/open-store.js'
import { addAnyDevice, report } from '../support/batches.js'
import { startLine } from '../support/line.js'
import { mariadbAt } from '../support/mariadb.js'
import { addressOf, mysqlDatabase, zoneOffsetMinutes } from '../support/store-databases.js'

const mariadb = mariadbAt(inject('mariadbPort'))
const nowMs = Math.floor(Date.now() / 1000) * 1000

test('A line that goes dead in a transaction does not keep its rows locked', async () => {
  const database = await mysqlDatabase(mariadb)
  onTestFinished(database.remove)
  const { address } = database
  if (address.kind !== 'mysql') throw new Error('no MariaDB')
  const line = await startLine(address.port)
  const cutOff = await openStore(
    addressOf(mariadb.url(address.database).replace(`${address.port}`, `${line.port}`)),
    {
      zoneOffsetMinutes,
    },
  )
  onTestFinished(cutOff.close)
  onTestFinished(line.close)
  const store = await database.open()
  onTestFinished(store.close)
  const device = await addAnyDevice(store)
  await store.write(report(device, 'light', 1, nowMs))

  // A lock on the table that is written second makes the transaction stand still while it holds the first.
  const locked = mariadb.query(
    address.database,
    `BEGIN; SELECT sensor_name FROM device_sensors FOR UPDATE;
     SELECT SLEEP(60) FROM device_main; COMMIT`,
  )
  locked.catch(() => undefined) // ended below
  const lockers = `SELECT ID AS id FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND INFO LIKE '%SLEEP(60)%'
    AND ID <> CONNECTION_ID()`
  const waiting = `SELECT ID AS id FROM information_schema.PROCESSLIST WHERE DB = DATABASE()
    AND INFO LIKE '%INSERT INTO device_sensors %' AND ID <> CONNECTION_ID()`
  const only = async (text: string): Promise<unknown> => {
    for (;;) {
      const [row] = await database.query(text)
      if (row !== undefined) return row['id']
    }
  }
  const locker = await only(lockers)
  const lost = cutOff.write(report(device, 'light', 2, nowMs + 1000))
  lost.catch(() => undefined) // looked at below
  await only(waiting)
  line.swallow()
  await database.query(`KILL ${locker}`)

  await store.write(report(device, 'light', 3, nowMs + 2000))
  expect((await store.reportDevice(device.id))?.sensors).toMatchObject([{ sensor_value: '3' }])
  line.close()
  await expect(lost).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
}, 60_000)
