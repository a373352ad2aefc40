import type { Device } from '#src/store/device.js'
import type { Mariadb } from './mariadb.js'
import type { TestDatabase } from './store-databases.js'

/** Locks a device's row of `device_main`, until the function that this resolves to is called. */
export async function lockDevice(
  mariadb: Mariadb,
  { address, query }: TestDatabase,
  device: Device,
): Promise<() => Promise<void>> {
  if (address.kind !== 'mysql') throw new Error('no MariaDB')
  const locked = mariadb.query(
    address.database,
    `BEGIN; SELECT id FROM device_main WHERE id = ${device.id} FOR UPDATE; SELECT SLEEP(60); COMMIT`,
  )
  locked.catch(() => undefined) // ended below
  const find = `SELECT ID AS id FROM information_schema.PROCESSLIST
    WHERE DB = DATABASE() AND INFO = 'SELECT SLEEP(60)'`
  let [locker] = await query(find)
  while (locker === undefined) [locker] = await query(find)
  const { id } = locker
  return async () => void (await query(`KILL ${id}`))
}
