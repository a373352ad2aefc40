import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Context } from '../scenario.js'

/** A server under measurement. */
export interface Server {
  /** That of MQTT over TCP. */
  readonly port: number
  readonly pid: number
}

/** One whose every listener is known. */
export interface OwnServer extends Server {
  /** The port of a listener that was asked for. */
  portOf(scheme: 'mqtts' | 'ws'): number
}

/** Found by its name, as this file is compiled to a folder of its own. */
const MAIN = createRequire(import.meta.url).resolve('#src/main.js')

/** Those with which `npm start` starts Node. */
const FLAGS = readFileSync(join(dirname(MAIN), '..', 'package.json'), 'utf8')
  .match(/"start": "node(( --[^ ]+)*) dist\/main.js"/)?.[1]
  ?.trim()
  .split(' ')

/**
 * Starts a server of its own process in the run's folder, on a free port of 127.0.0.1 and on SQLite, and
 * resolves when it serves. `environment` goes before the defaults.
 */
export async function startServer(
  { processes, folder, profileFolder }: Context,
  environment: Readonly<Record<string, string>> = {},
): Promise<OwnServer> {
  const profile = profileFolder === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileFolder}`]
  const child = processes.start(process.execPath, [...(FLAGS ?? []), ...profile, MAIN], {
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
      if (!line.includes('"ready"')) return
      const portOf = (scheme: string): number => {
        const port = new RegExp(`"${scheme}://[^"]*:(\\d+)"`).exec(line)?.[1]
        if (port === undefined) throw new Error(`no ${scheme} listener in ${line}`)
        return Number(port)
      }
      resolve({ port: portOf('mqtt'), pid, portOf })
    })
    child.once('close', (code) => reject(new Error(`the server ended with ${code}:\n${lines.join('\n')}`)))
  })
}
