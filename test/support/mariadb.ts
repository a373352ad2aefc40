import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { createConnection, type RowDataPacket } from 'mysql2/promise'
import { freePort } from './free-port.js'
import { programPath } from './packages.js'

/** A MariaDB on this machine, where `root` has no password. */
export interface Mariadb {
  readonly port: number
  /** `DATABASE_URL` of a database in it. */
  url(database: string): string
  createDatabase(name: string): Promise<void>
  /** Runs SQL, several statements if need be, as root; the rows of the last one. */
  query(database: string, text: string, values?: readonly unknown[]): Promise<readonly RowDataPacket[]>
}

/** One that these tests started. */
export interface RunningMariadb extends Mariadb {
  /** Ends the server with SIGKILL; its files stay. */
  crash(): Promise<void>
  /** Starts it again where it was; `instead` stands for the options that it had. */
  restart(instead?: readonly string[]): Promise<void>
  /** Stops and continues the process: its connections stay open, and nothing answers on them. */
  freeze(): void
  thaw(): void
  /** Ends the server and removes its files. */
  stop(): Promise<void>
}

const START_TIMEOUT_MS = 60_000
const STOP_TIMEOUT_MS = 20_000

/** The MariaDB that listens on this port of 127.0.0.1. */
export function mariadbAt(port: number): Mariadb {
  async function query(database: string, text: string, values: readonly unknown[] = []) {
    const connection = await createConnection({
      host: '127.0.0.1',
      port,
      user: 'root',
      database,
      multipleStatements: true,
      dateStrings: true,
    })
    try {
      const [rows] = await connection.query<RowDataPacket[] | RowDataPacket[][]>(text, [...values])
      const last = Array.isArray(rows) ? rows.at(-1) : undefined
      return Array.isArray(last) ? last : Array.isArray(rows) ? rows.flat() : []
    } finally {
      await connection.end()
    }
  }
  return {
    port,
    url: (database) => `mysql://root@127.0.0.1:${port}/${database}`,
    async createDatabase(name) {
      await query('mysql', `CREATE DATABASE \`${name}\` CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci`)
    },
    query,
  }
}

/** Starts a private MariaDB on a free port, its files in a temporary folder; `options` go to `mariadbd`. */
export async function startMariadb(options: readonly string[] = []): Promise<RunningMariadb> {
  const folder = await mkdtemp(join(tmpdir(), 'damselfly-mariadb-'))
  let stop = (): Promise<void> => rm(folder, { recursive: true, force: true })
  try {
    const install = [
      '--no-defaults',
      `--datadir=${join(folder, 'data')}`,
      '--auth-root-authentication-method=normal',
      '--skip-test-db',
      ...asRoot(),
    ]
    const env = { ...process.env, TMPDIR: folder }
    await promisify(execFile)(programPath('mariadb-install-db'), install, { env })
    const port = await freePort()
    let server = spawnServer(folder, port, options)
    stop = async () => {
      await end(server, 'SIGTERM')
      await rm(folder, { recursive: true, force: true })
    }
    await untilReady(server, port, join(folder, 'log'))
    return {
      ...mariadbAt(port),
      stop,
      crash: () => end(server, 'SIGKILL'),
      freeze: () => void server.kill('SIGSTOP'),
      thaw: () => void server.kill('SIGCONT'),
      async restart(instead = options) {
        server = spawnServer(folder, port, instead)
        await untilReady(server, port, join(folder, 'log'))
      },
    }
  } catch (error) {
    await stop()
    throw error
  }
}

function spawnServer(folder: string, port: number, options: readonly string[]): ChildProcess {
  const server = spawn(
    programPath('mariadbd'),
    [
      '--no-defaults',
      `--datadir=${join(folder, 'data')}`,
      // At its start a server removes the temporary tables of whichever server shares the folder.
      `--tmpdir=${folder}`,
      `--socket=${join(folder, 'socket')}`,
      `--pid-file=${join(folder, 'pid')}`,
      `--log-error=${join(folder, 'log')}`,
      `--port=${port}`,
      '--bind-address=127.0.0.1',
      '--skip-name-resolve',
      '--innodb-buffer-pool-size=64M',
      // Nothing here outlives a crash of the machine.
      '--innodb-flush-log-at-trx-commit=2',
      ...asRoot(),
      ...options,
    ],
    { stdio: 'ignore' },
  )
  const kill = (): void => void server.kill('SIGKILL')
  process.once('exit', kill)
  server.once('exit', () => process.off('exit', kill))
  return server
}

/** The server refuses to run as root unless it is told to. */
function asRoot(): string[] {
  return process.getuid?.() === 0 ? ['--user=root'] : []
}

async function untilReady(server: ChildProcess, port: number, log: string): Promise<void> {
  const deadline = Date.now() + START_TIMEOUT_MS
  for (;;) {
    try {
      await mariadbAt(port).query('mysql', 'SELECT 1')
      return
    } catch (error) {
      if (server.exitCode !== null || Date.now() > deadline) {
        const text = await readFile(log, 'utf8').catch(() => '')
        throw new Error(`mariadbd did not start (${String(error)})\n${text}`)
      }
      await delay(50)
    }
  }
}

async function end(server: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return
  const ended = once(server, 'exit')
  const timer = setTimeout(() => server.kill('SIGKILL'), STOP_TIMEOUT_MS)
  server.kill(signal)
  await ended
  clearTimeout(timer)
}
