import { expect, inject, onTestFinished, test } from 'vitest'
import { addAnyDevice, report } from '../support/batches.js'
import { lockDevice } from '../support/locked-device.js'
import { mariadbAt } from '../support/mariadb.js'
import { mysqlDatabase } from '../support/store-databases.js'

const mariadb = mariadbAt(inject('mariadbPort'))
const nowMs = Math.floor(Date.now() / 1000) * 1000

test('A batch and a change of presence lock the devices that they are about, and wait for no other', async () => {
  const database = await mysqlDatabase(mariadb)
  onTestFinished(database.remove)
  const store = await database.open()
  onTestFinished(store.close)
  const [device, other] = [await addAnyDevice(store), await addAnyDevice(store)]

  const unlock = await lockDevice(mariadb, database, other)
  await store.write(report(device, 'light', 1, nowMs))
  await store.setPresence([{ deviceId: device.id, isOnline: false, atMs: nowMs }])
  expect(await store.reportDevice(device.id)).toMatchObject({
    is_online: false,
    sensors: [{ sensor_value: '1' }],
  })
  await unlock()
})
