import { createInterface } from 'node:readline'
import type { Context } from '../scenario.js'

/** A server under measurement. */
export interface Server {
  readonly port: number
  readonly pid: number
}

const MAIN = new URL('../../../dist/main.js', import.meta.url).pathname

/**
 * Starts a server of its own process in the run's folder, on a free port of 127.0.0.1 and on SQLite, and
 * resolves when it serves. `environment` goes before the defaults.
 */
export async function startServer(
  { processes, folder, profileFolder }: Context,
  environment: Readonly<Record<string, string>> = {},
): Promise<Server> {
  const profile = profileFolder === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileFolder}`]
  const child = processes.start(process.execPath, [...profile, MAIN], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      PATH: process.env['PATH'],
      NODE_OPTIONS: process.env['NODE_OPTIONS'],
      BIND_ADDRESS: '127.0.0.1',
      MQTT_PORT: '0',
      MQTTS_PORT: 'off',
      WS_PORT: 'off',
      HTTP_PORT: 'off',
      // Given, lest a first start make one and print it.
      MQTT_USERNAME: 'admin',
      MQTT_PASSWORD: 'an administrator of benchmarks',
      LOG_FORMAT: 'json',
      ...environment,
    },
  })
  const { stdout, pid } = child
  if (stdout === null || pid === undefined) throw new Error('the server does not run')
  return new Promise((resolve, reject) => {
    const lines: string[] = []
    createInterface({ input: stdout }).on('line', (line) => {
      // Read to the end, or the server would stand still when the pipe is full.
      if (lines.length < 100) lines.push(line)
      const port = /"mqtt:\/\/[^"]*:(\d+)".*"ready"/.exec(line)?.[1]
      if (port !== undefined) resolve({ port: Number(port), pid })
    })
    child.once('close', (code) => reject(new Error(`the server ended with ${code}:\n${lines.join('\n')}`)))
  })
}
