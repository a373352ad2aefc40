import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { onTestFinished } from 'vitest'
import { freePort } from './free-port.js'
import { programPath } from './packages.js'
import { temporaryFolder } from './temporary-folder.js'

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

/** Where and how a Redis is to run. */
export interface RedisOptions {
  readonly port?: number
  readonly folder?: string
  readonly password?: string
  /** What else `redis-server` is told. */
  readonly settings?: readonly string[]
}

/** Starts a private Redis until the running test is over; resolves when it takes connections. */
export async function startRedis(options: RedisOptions = {}): Promise<RunningRedis> {
  const port = options.port ?? (await freePort())
  const folder = options.folder ?? (await temporaryFolder())
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
  onTestFinished(kill)
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

/** Every write is in a file before its answer, so that a kill loses nothing. */
const durable = ['--appendonly', 'yes', '--appendfsync', 'always']
