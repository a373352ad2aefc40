import { Socket } from 'node:net'
import type { MySqlDatabase } from 'drizzle-orm/mysql-core'
import { drizzle, type MySql2PreparedQueryHKT, type MySql2QueryResultHKT } from 'drizzle-orm/mysql2'
import { createPool, type Pool, type PoolConnection, type RowDataPacket } from 'mysql2/promise'
import { describeDatabase } from '../../config/database.js'
import type { MysqlAddress } from '../../config/database-url.js'
import { startDeadline } from '../deadline.js'
import { StoreError } from '../store-error.js'
import { isLockConflict, mysqlError } from './mysql-error.js'

/** A connection as Drizzle sees it, in or out of a transaction. */
export type MysqlDatabase = MySqlDatabase<MySql2QueryResultHKT, MySql2PreparedQueryHKT>

/** What is done on one connection. */
export type Work<T> = (db: MysqlDatabase, maxPacketBytes: number) => Promise<T>

interface Session {
  readonly db: MysqlDatabase
  readonly maxPacketBytes: number
}

/** Connections to one server. */
export interface MysqlConnections {
  /**
   * Does `work` on one connection. When another transaction is in its way (deadlock, lock wait), it does it
   * again, so `work` is one transaction or one statement. `maxPacketBytes` is the `max_allowed_packet` of that
   * very connection: a server that took over may have another.
   *
   * @throws StoreError for every failure.
   */
  run<T>(work: Work<T>): Promise<T>

  /** Waits for what is under way and closes the connections. */
  close(): Promise<void>
}

const CONNECT_TIMEOUT_MS = 10_000
/** A server that says nothing for so long is gone: TCP alone would notice after a quarter of an hour. */
const ANSWER_TIMEOUT_MS = 30_000
/** Below any router's idle limit. */
const KEEP_ALIVE_AFTER_MS = 10_000
const MAX_LOCK_RETRIES = 3
/** A server ends a session that asks nothing for so long; here it is ended before. */
const IDLE_SESSION_S = 60
const IDLE_CONNECTION_MS = 30_000

/**
 * What each connection is set to, whatever the server's defaults: values that do not fit are errors, a
 * backslash escapes (as the driver assumes), CURRENT_TIMESTAMP is in the zone of the columns, lanes take no
 * gap locks from each other, and no wait for a lock outlasts a client's patience. A session whose client was
 * cut off without a word would keep the rows of its transaction locked for hours: MariaDB ends it when the
 * transaction is idle for 5 s, MySQL, which reads that as a comment, when the session is.
 */
const sessionSettings = (zone: string): string =>
  `SET SESSION sql_mode = 'STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION', SESSION time_zone = '${zone}', ` +
  `SESSION innodb_lock_wait_timeout = 5, SESSION lock_wait_timeout = 5, SESSION wait_timeout = ${IDLE_SESSION_S}` +
  '/*M! , SESSION idle_transaction_timeout = 5 */'
const ISOLATION = 'SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED'

/** What a pool is made with. */
export interface MysqlConnectionOptions {
  /** The most connections. */
  readonly limit: number
  /** That of the DATETIME columns, as `+08:00`. */
  readonly zone: string
  /**
   * Whether a packet may hold several statements. Where it may not, text that got into a statement by a mistake could
   * not become another one.
   */
  readonly takesSeveralStatements: boolean
}

/** Makes a pool of connections; connects when first used. */
export function mysqlConnections(address: MysqlAddress, options: MysqlConnectionOptions): MysqlConnections {
  const where = describeDatabase(address)
  const pool = openPool(address, options)
  const sessions = new WeakMap<object, Session>()
  const underWay = new Set<Promise<unknown>>()
  let isClosed = false

  async function session(connection: PoolConnection): Promise<Session> {
    const known = sessions.get(connection.connection)
    if (known !== undefined) return known
    await connection.query(sessionSettings(options.zone))
    await connection.query(ISOLATION)
    const made = { db: drizzle({ client: connection }), maxPacketBytes: await readMaxPacketBytes(connection) }
    sessions.set(connection.connection, made)
    return made
  }

  async function attempt<T>(work: Work<T>): Promise<T> {
    const deadline = startDeadline(ANSWER_TIMEOUT_MS, () => silent(where))
    try {
      const connection = await deadline.limit(pool.getConnection(), (late) => late.release())
      try {
        const result = await deadline.limit(
          session(connection).then(({ db, maxPacketBytes }) => work(db, maxPacketBytes)),
        )
        connection.release()
        return result
      } catch (error) {
        giveUp(connection)
        throw error
      }
    } finally {
      deadline.clear()
    }
  }

  async function retried<T>(work: Work<T>): Promise<T> {
    for (let retries = 0; ; retries++) {
      try {
        return await attempt(work)
      } catch (error) {
        if (retries === MAX_LOCK_RETRIES || !isLockConflict(error)) throw mysqlError(error, where)
      }
    }
  }

  return {
    async run(work) {
      if (isClosed) throw new StoreError('STORE_UNAVAILABLE', `${where} is closed; open it again`)
      const result = retried(work)
      underWay.add(result)
      try {
        return await result
      } finally {
        underWay.delete(result)
      }
    },
    async close() {
      if (isClosed) return
      isClosed = true
      await Promise.allSettled(underWay)
      await pool.end().catch((error: unknown) => {
        throw mysqlError(error, where)
      })
    },
  }
}

/**
 * Whatever state a failed connection is in, no transaction goes on in it. A reset drops what is still on its way to the
 * server, where `destroy` alone would have it arrive at last.
 */
function giveUp(connection: PoolConnection): void {
  const stream: unknown = Reflect.get(connection.connection, 'stream')
  if (stream instanceof Socket) stream.resetAndDestroy()
  connection.destroy()
}

function openPool(address: MysqlAddress, { limit, takesSeveralStatements }: MysqlConnectionOptions): Pool {
  const { host, port, user, password, database } = address
  return createPool({
    host,
    port,
    user,
    password,
    database,
    connectionLimit: limit,
    multipleStatements: takesSeveralStatements,
    maxIdle: limit - 1, // without it the driver looks for no idle ones
    idleTimeout: IDLE_CONNECTION_MS,
    connectTimeout: CONNECT_TIMEOUT_MS,
    enableKeepAlive: true,
    keepAliveInitialDelay: KEEP_ALIVE_AFTER_MS,
    charset: 'utf8mb4_unicode_ci',
    dateStrings: true,
    jsonStrings: true,
  })
}

async function readMaxPacketBytes(connection: PoolConnection): Promise<number> {
  const [rows] = await connection.query<RowDataPacket[]>('SELECT @@max_allowed_packet AS bytes')
  const bytes = Number(rows[0]?.['bytes'])
  if (Number.isSafeInteger(bytes)) return bytes
  throw new StoreError('STORE_UNAVAILABLE', 'the server does not tell its max_allowed_packet; is it MySQL?')
}

function silent(where: string): StoreError {
  return new StoreError(
    'STORE_UNAVAILABLE',
    `${where} gave no answer within ${ANSWER_TIMEOUT_MS / 1000} s; check its load and its locks`,
  )
}
