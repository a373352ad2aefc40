import { sql } from 'drizzle-orm'
import type { MysqlAddress } from '../../config/database-url.js'
import { formatIso } from '../date-time.js'
import { followingStore, type StateLog, type StoreServer } from '../following-store.js'
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
import { prepareStateLog, prepareTables } from './prepare-tables.js'
import { findSilent, newestSeen, setPresence } from './presence.js'
import { readEntries, removeEntries, writeLogged } from './state-log.js'
import { writeBatch } from './write-batch.js'

/** Four transactions side by side keep the server busy while it syncs its log; more only wait for it. */
const LANES = 4
/** Beside the lanes: a replay, and state that follows. */
const WRITING_CONNECTIONS = LANES + 2
/** Logins, reports, pruning, health. */
const OTHER_CONNECTIONS = 4

/**
 * Connects to MySQL 8 or MariaDB 10.6 and later, once; creates the tables that are absent and checks the rest. For a
 * `server`, the state tables may follow the history while it is busy, and get first what a crash left behind.
 *
 * @throws StoreError STORE_UNAVAILABLE when the server is away or refuses the login, STORE_SCHEMA naming
 *   the columns that are missing.
 */
export async function openMysqlStore(
  address: MysqlAddress,
  options: StoreOptions,
  server?: StoreServer,
): Promise<Store> {
  const zone = formatIso(0, options.zoneOffsetMinutes).slice(-'+00:00'.length)
  const connections = {
    writing: mysqlConnections(address, { limit: WRITING_CONNECTIONS, zone, takesSeveralStatements: true }),
    other: mysqlConnections(address, { limit: OTHER_CONNECTIONS, zone, takesSeveralStatements: false }),
  }
  try {
    await connections.other.run((db) => prepareTables(db))
    const store = mysqlStore(connections, options.zoneOffsetMinutes)
    if (server === undefined) return store
    if (await connections.other.run((db) => prepareStateLog(db))) {
      return await followingStore(store, stateLog(connections, options.zoneOffsetMinutes), server)
    }
    server.log.info(
      'the login may not create device_state_log, or not delete from it; each batch writes the state of its devices (docs/storage.md)',
    )
    return store
  } catch (error) {
    await closeBoth(connections)
    throw error
  }
}

/** The connections that batches are written on, and those for all else, which take one statement at a time. */
interface Connections {
  readonly writing: MysqlConnections
  readonly other: MysqlConnections
}

async function closeBoth({ writing, other }: Connections): Promise<void> {
  await Promise.all([writing.close(), other.close()])
}

function stateLog({ writing, other }: Connections, zoneOffsetMinutes: number): StateLog {
  return {
    writeLogged: (batch) =>
      writing.run((db, maxPacketBytes) =>
        writeLogged(db, batch, { zoneOffsetMinutes, maxPacketBytes, nowMs: Date.now() }),
      ),
    readEntries: (ageS) => other.run((db) => readEntries(db, ageS)),
    removeEntries: (ids) => other.run((db) => removeEntries(db, ids)),
  }
}

function mysqlStore(connections: Connections, zoneOffsetMinutes: number): Store {
  const { run } = connections.other
  return {
    lanes: LANES,
    write: (batch) =>
      connections.writing.run((db, maxPacketBytes) =>
        writeBatch(db, batch, { zoneOffsetMinutes, maxPacketBytes, nowMs: Date.now() }),
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
    close: () => closeBoth(connections),
  }
}
