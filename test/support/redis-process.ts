import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { freePort } from './free-port.js'
import { programPath } from './packages.js'

/** A Redis of its own on a port of 127.0.0.1. */
export interface RunningRedis {
  readonly port: number
  /** `REDIS_URL`, with the password where there is one. */
  readonly url: string
  /** Its folder, in which another start on the same port finds its data again. */
  readonly folder: string
  /** Ends it as a power cut does. */
  kill(): Promise<void>
  /** Has it stand still, with its connections open, or go on. */
  hang(isHanging: boolean): void
}

/** How a Redis is to run. */
export interface RedisOptions {
  /** Absent: a free one. */
  readonly port?: number
  readonly password?: string
  /** What else `redis-server` is told. */
  readonly settings?: readonly string[]
}

/** Every write is in a file before its answer, so that a kill loses nothing. */
const durable = ['--appendonly', 'yes', '--appendfsync', 'always']

/** Starts a Redis with its files in `folder`, which whoever calls ends; resolves when it takes connections. */
export async function spawnRedis(
  folder: string,
  options: RedisOptions = {},
  atEnd: (end: () => Promise<void>) => void = () => undefined,
): Promise<RunningRedis> {
  const port = options.port ?? (await freePort())
  const password = options.password === undefined ? [] : ['--requirepass', options.password]
  const child = spawn(
    programPath('redis-server'),
    [
      ...['--port', `${port}`, '--bind', '127.0.0.1', '--dir', folder, '--save', '', ...durable],
      ...[...password, ...(options.settings ?? [])],
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  const ended = once(child, 'close')
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL')
    await ended
  }
  const hang = (isHanging: boolean): void => void child.kill(isHanging ? 'SIGSTOP' : 'SIGCONT')
  atEnd(kill)
  const log: string[] = []
  await new Promise<void>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      log.push(line)
      if (line.includes('Ready to accept connections')) resolve()
    })
    ended.then(() => reject(new Error(`redis-server ended:\n${log.join('\n')}`)), reject)
  })
  const login = options.password === undefined ? '' : `:${encodeURIComponent(options.password)}@`
  return { port, url: `redis://${login}127.0.0.1:${port}`, folder, kill, hang }
}
