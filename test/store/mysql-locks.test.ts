import { expect, inject, onTestFinished, test } from 'vitest'
import { addAnyDevice, report } from '../support/batches.js'
import { mariadbAt } from '../support/mariadb.js'
import { mysqlDatabase } from '../support/store-databases.js'

const mariadb = mariadbAt(inject('mariadbPort'))
const nowMs = Math.floor(Date.now() / 1000) * 1000

test('A batch and a change of presence lock the devices that they are about, and wait for no other', async () => {
  const database = await mysqlDatabase(mariadb)
  onTestFinished(database.remove)
  const { address } = database
  if (address.kind !== 'mysql') throw new Error('no MariaDB')
  const store = await database.open()
  onTestFinished(store.close)
  const [device, other] = [await addAnyDevice(store), await addAnyDevice(store)]

  const locked = mariadb.query(
    address.database,
    `BEGIN; SELECT id FROM device_main WHERE id = ${other.id} FOR UPDATE; SELECT SLEEP(60); COMMIT`,
  )
  locked.catch(() => undefined) // ended below
  const findLocker = `SELECT ID AS id FROM information_schema.PROCESSLIST
    WHERE DB = DATABASE() AND INFO = 'SELECT SLEEP(60)'`
  let locker: unknown
  while (locker === undefined) [locker] = (await database.query(findLocker)).map(({ id }) => id)

  await store.write(report(device, 'light', 1, nowMs))
  await store.setPresence([{ deviceId: device.id, isOnline: false, atMs: nowMs }])
  expect(await store.reportDevice(device.id)).toMatchObject({
    is_online: false,
    sensors: [{ sensor_value: '1' }],
  })
  await database.query(`KILL ${locker}`)
})
