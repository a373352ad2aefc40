import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type RunningMariadb, startMariadb } from '../../test/support/mariadb.js'
import { type RunningRedis, spawnRedis } from '../../test/support/redis-process.js'
import { type Server, spawnServerProcess } from '../../test/support/server-process.js'

/** What a run has started, and ends again. */
export interface Ground {
  /** The run's own folder, and the working directory of its servers. */
  readonly folder: string
  /** Starts a server in the folder; its log is added to `server.log` there. */
  server(environment: Readonly<Record<string, string>>): Server
  /** The same, resolved when it serves. */
  readyServer(environment: Readonly<Record<string, string>>): Promise<Server>
  /** A MariaDB of its own with the database `readings`, and a user there who may do no more than a platform's. */
  mariadb(options?: readonly string[]): Promise<RunningMariadb>
  /** A Redis of its own that loses nothing when it is killed; `before`: the one whose place it takes. */
  redis(before?: RunningRedis): Promise<RunningRedis>
  /** Has something ended with the run, last come, first served. */
  defer(end: () => unknown): void
  /** Ends everything; the folder stays when there is something to see in it. */
  end(keepsFolder: boolean): Promise<void>
}

/** Who the server is in the database: no root, to whom a database that is read-only or full still opens. */
const USER = { name: 'damselfly', password: 'of-the-chaos' } as const

const WRITE_EVERY_MS = 1000

/** Nobody has a password: after a restart the time goes to what is to be broken, and not to hashes. */
const OPEN = { ALLOW_ANONYMOUS: 'true' } as const

/** Node's flags in `npm start`, the image and the unit of systemd. */
const FLAGS = { NODE_OPTIONS: '--max-semi-space-size=64' } as const

/** `DATABASE_URL` of the database of a run, at the port of its server or of something between. */
export function databaseUrl(port: number): string {
  return `mysql://${USER.name}:${USER.password}@127.0.0.1:${port}/readings`
}

/** A new ground to run on. */
export function createGround(name: string): Ground {
  const folder = mkdtempSync(join(tmpdir(), `damselfly-chaos-${name}-`))
  const ends: (() => unknown)[] = []
  mkdirSync(join(folder, 'config'))
  writeFileSync(join(folder, 'config', 'acl.conf'), 'topic readwrite #\n')

  const server: Ground['server'] = (environment) => {
    const started = spawnServerProcess(folder, { ...OPEN, ...FLAGS, ...environment })
    const kill = (): void => started.kill('SIGKILL')
    process.once('exit', kill)
    let written = 0
    const write = (...more: readonly string[]): void => {
      const lines = started.log.slice(written).map((line) => JSON.stringify(line))
      written = started.log.length
      for (const line of [...lines, ...more]) appendFileSync(join(folder, 'server.log'), `${line}\n`)
    }
    const timer = setInterval(write, WRITE_EVERY_MS)
    const ended = started.ended.then((how) => {
      process.off('exit', kill)
      clearInterval(timer)
      write(started.text(), `ended with ${how}`)
    })
    ends.push(async () => {
      kill()
      await ended
    })
    return started
  }

  return {
    folder,
    server,
    async readyServer(environment) {
      const started = server(environment)
      await started.logged(({ msg }) => msg === 'ready')
      return started
    },
    async mariadb(options = []) {
      const started = await startMariadb(options)
      ends.push(started.stop)
      await started.createDatabase('readings')
      await started.query(
        'mysql',
        `CREATE USER '${USER.name}'@'127.0.0.1' IDENTIFIED BY '${USER.password}';
         GRANT ALL ON readings.* TO '${USER.name}'@'127.0.0.1'`,
      )
      return started
    },
    redis(before) {
      const files = before?.folder ?? join(folder, 'redis')
      mkdirSync(files, { recursive: true })
      const options = before === undefined ? {} : { port: before.port }
      return spawnRedis(files, options, (end) => void ends.push(end))
    },
    defer: (end) => void ends.push(end),
    async end(keepsFolder) {
      for (const one of ends.splice(0).reverse()) await one()
      if (!keepsFolder) rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
    },
  }
}
