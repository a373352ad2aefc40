import { sql } from 'drizzle-orm'
import type { MysqlAddress } from '../../config/database-url.js'
import { formatIso } from '../date-time.js'
import { pruneStep } from '../prune-walk.js'
import type { Store } from '../store.js'
import type { StoreOptions } from '../store-options.js'
import {
  addDevice,
  findDevice,
  findDevices,
  listDevices,
  removeHistory,
  removeRows,
  reportDevice,
  reportDevices,
  setSecret,
} from './devices.js'
import { historyOf, historyWalk, readHistory } from './history.js'
import { type MysqlConnections, mysqlConnections } from './mysql-connections.js'
import { prepareTables } from './prepare-tables.js'
import { findSilent, newestSeen, setPresence } from './presence.js'
import { writeBatch } from './write-batch.js'

/** Four transactions side by side keep the server busy while it syncs its log; more only wait for it. */
const LANES = 4
/** Beside the lanes: logins, reports, pruning, health. */
const OTHER_CONNECTIONS = 4

/**
 * Connects to MySQL 8 or MariaDB 10.6 and later, once; creates the tables that are absent and checks the rest.
 *
 * @throws StoreError STORE_UNAVAILABLE when the server is away or refuses the login, STORE_SCHEMA naming
 *   the columns that are missing.
 */
export async function openMysqlStore(address: MysqlAddress, options: StoreOptions): Promise<Store> {
  const zone = formatIso(0, options.zoneOffsetMinutes).slice(-'+00:00'.length)
  const connections = mysqlConnections(address, LANES + OTHER_CONNECTIONS, zone)
  try {
    await connections.run((db) => prepareTables(db))
    return mysqlStore(connections, options.zoneOffsetMinutes)
  } catch (error) {
    await connections.close()
    throw error
  }
}

function mysqlStore({ run, close }: MysqlConnections, zoneOffsetMinutes: number): Store {
  return {
    lanes: LANES,
    write: (batch) =>
      run((db, maxPacketBytes) =>
        db.transaction((tx) =>
          writeBatch(tx, batch, { zoneOffsetMinutes, maxPacketBytes, nowMs: Date.now() }),
        ),
      ),
    setPresence: (changes) =>
      run((db, maxPacketBytes) =>
        setPresence(db, changes, { zoneOffsetMinutes, maxPacketBytes, nowMs: Date.now() }),
      ),
    findSilent: (beforeMs) => run((db) => findSilent(db, beforeMs, zoneOffsetMinutes)),
    newestSeen: () => run((db) => newestSeen(db, zoneOffsetMinutes)),
    findDevice: (name) => run((db) => findDevice(db, name)),
    findDevices: (names) => run((db) => findDevices(db, names)),
    addDevice: (device) => run((db) => addDevice(db, device)),
    setSecret: (id, secret) => run((db) => setSecret(db, id, secret)),
    async removeDevice(id) {
      const isRemoved = await run((db) => db.transaction((tx) => removeRows(tx, id)))
      // Also for a device that is gone: a removal that was cut short is finished by asking again.
      while (await run((db) => removeHistory(db, id)));
      return isRemoved
    },
    reportDevice: (id) => run((db) => reportDevice(db, id)),
    reportDevices: () => run((db) => reportDevices(db)),
    listDevices: (query) => run((db) => listDevices(db, query)),
    historyOf: (range) => run((db) => historyOf(db, range, zoneOffsetMinutes)),
    readHistory: (range) => run((db) => readHistory(db, range, zoneOffsetMinutes)),
    pruneHistory: (beforeMs, limit, cursor) =>
      run((db) => pruneStep(historyWalk(db, zoneOffsetMinutes), beforeMs, limit, cursor)),
    async ping() {
      await run((db) => db.execute(sql`SELECT 1`))
    },
    close,
  }
}
