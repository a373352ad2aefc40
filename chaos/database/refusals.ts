import { setTimeout as delay } from 'node:timers/promises'
import { type Connection, createConnection } from 'mysql2/promise'
import type { Mariadb } from '../../test/support/mariadb.js'
import { between } from '../support/random.js'
import type { Upset } from './upset.js'

/** Ends every connection of the server under test, as an operator or a failover does; how many. */
async function killConnections(mariadb: Mariadb): Promise<number> {
  const rows = await mariadb.query(
    'mysql',
    `SELECT ID AS id FROM information_schema.PROCESSLIST WHERE USER = 'damselfly'`,
  )
  for (const { id } of rows) await mariadb.query('mysql', `KILL CONNECTION ${id}`).catch(unlessGone)
  return rows.length
}

const NO_SUCH_THREAD = 1094

function unlessGone(error: unknown): [] {
  if (error instanceof Error && 'errno' in error && error.errno === NO_SUCH_THREAD) return []
  throw error
}

const TOO_MANY_CONNECTIONS = 1040

/** Root, too, has but one connection beyond the others'. */
function unlessFull(error: unknown): void {
  if (!(error instanceof Error && 'errno' in error && error.errno === TOO_MANY_CONNECTIONS)) throw error
}

/** MariaDB takes no writes any more, as a primary that has become a replica. */
export const readOnly: Upset = {
  name: 'database-read-only',
  about: 'a MariaDB that becomes read-only, and ends its connections, as a primary that has moved',
  seconds: 20,
  async act({ mariadb, seconds }) {
    await mariadb.query('mysql', 'SET GLOBAL read_only = 1')
    await delay((seconds * 1000) / 2)
    const killed = await killConnections(mariadb)
    await delay((seconds * 1000) / 2)
    await mariadb.query('mysql', 'SET GLOBAL read_only = 0')
    return `read-only for ${seconds} s, ${killed} connections ended meanwhile`
  },
}

/** Somebody ends the sessions of the server, again and again. */
export const killed: Upset = {
  name: 'database-killed',
  about: 'KILL CONNECTION of every session of the server, again and again',
  seconds: 30,
  async act({ mariadb, random, seconds }) {
    const untilMs = performance.now() + seconds * 1000
    let count = 0
    while (performance.now() < untilMs) {
      count += await killConnections(mariadb)
      await delay(between(random, 10, 600))
    }
    return `${count} sessions ended in ${seconds} s`
  },
}

/** Others take every connection that MariaDB has. */
export const full: Upset = {
  name: 'database-full',
  about: 'a MariaDB whose max_connections others have taken',
  seconds: 20,
  options: ['--max-connections=20'],
  async act({ mariadb, seconds, defer }) {
    await mariadb.query('mysql', `CREATE USER hog@'127.0.0.1'`)
    const taken: Connection[] = []
    const leave = (): void => {
      for (const one of taken.splice(0)) one.destroy()
    }
    defer(leave)
    const untilMs = performance.now() + seconds * 1000
    while (performance.now() < untilMs) {
      // What the server loses is taken before it asks for it again, or soon after.
      const attempts = Array.from({ length: 20 }, () =>
        createConnection({ host: '127.0.0.1', port: mariadb.port, user: 'hog' }).then(
          (one) => {
            one.on('error', () => undefined) // is only there to be there
            taken.push(one)
          },
          () => undefined, // all are taken
        ),
      )
      await Promise.all([...attempts, killConnections(mariadb).catch(unlessFull)])
      await delay(50)
    }
    const count = taken.length
    leave()
    return `${count} of 20 connections taken for ${seconds} s`
  },
}

/** Another session locks the rows that the server writes, in the opposite order, and holds them. */
export const locked: Upset = {
  name: 'database-locked',
  about:
    'deadlocks with another session, and rows that it keeps locked for longer than innodb_lock_wait_timeout',
  seconds: 40,
  options: ['--innodb-lock-wait-timeout=5'],
  async act({ mariadb, random, seconds }) {
    const untilMs = performance.now() + seconds * 1000
    let [locks, holds] = [0, 0]
    while (performance.now() < untilMs) {
      const isHeld = random.below(8) === 0
      const sleepS = isHeld ? between(random, 5, 9) : between(random, 1, 30) / 100
      // The server writes device_sensors before device_main.
      await mariadb
        .query(
          'readings',
          `BEGIN; SELECT id FROM device_main ORDER BY id DESC LIMIT ${between(random, 1, 200)} FOR UPDATE;
           SELECT SLEEP(${sleepS}); SELECT sensor_name FROM device_sensors FOR UPDATE; COMMIT`,
        )
        .catch(() => []) // it is the one that the deadlock rolled back
      locks += 1
      if (isHeld) holds += 1
      await delay(random.below(300))
    }
    const [row] = await mariadb.query('mysql', `SHOW GLOBAL STATUS LIKE 'Innodb_deadlocks'`)
    return `rows locked ${locks} times, ${holds} of them for over 5 s, ${row?.['Value']} deadlocks`
  },
}

/** An operator lowers max_allowed_packet under the server. */
export const smallPacket: Upset = {
  name: 'database-packet',
  about: 'max_allowed_packet set low at run time, and old sessions ended',
  seconds: 30,
  async act({ mariadb, random, seconds }) {
    const untilMs = performance.now() + seconds * 1000
    const sizes: number[] = []
    while (performance.now() < untilMs) {
      const bytes = random.of([2048, 4096, 16_384, 65_536])
      sizes.push(bytes)
      await mariadb.query('mysql', `SET GLOBAL max_allowed_packet = ${bytes}`)
      await killConnections(mariadb)
      await delay(between(random, 500, 5000))
    }
    await mariadb.query('mysql', 'SET GLOBAL max_allowed_packet = 16777216')
    await killConnections(mariadb)
    return `max_allowed_packet set ${sizes.length} times, ${Math.min(...sizes)} bytes at the least`
  },
}
