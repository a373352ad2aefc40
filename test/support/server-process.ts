import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'

/** One line of the server's log. */
export type LogLine = Readonly<Record<string, unknown>> & { readonly msg: string }

/** A server process of its own, as `npm start` runs it. */
export interface Server {
  readonly pid: number
  /** Its working directory, which holds config, certs and data. */
  readonly folder: string
  /** The port of a listener that the log named. */
  port(scheme: 'mqtt' | 'mqtts' | 'ws' | 'wss' | 'http'): number
  /** Every log line so far. */
  readonly log: readonly LogLine[]
  /** What it wrote that was no log line. */
  text(): string
  /** The first log line, past or to come, that the predicate accepts; rejects when the process ends first. */
  logged(accepts: (line: LogLine) => boolean): Promise<LogLine>
  kill(signal: NodeJS.Signals): void
  /** Its exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>
}

/** The login of the administrator that `spawnServerProcess` asks for. */
export const ADMINISTRATOR = { username: 'admin', password: 'an administrator of tests' } as const

/** Settings for a server that nobody else's can be in the way of. */
export function serverEnvironment(): Readonly<Record<string, string | undefined>> {
  return {
    PATH: process.env['PATH'],
    BIND_ADDRESS: '127.0.0.1',
    MQTT_PORT: '0',
    MQTTS_PORT: 'off',
    WS_PORT: 'off',
    HTTP_PORT: 'off',
    MQTT_USERNAME: ADMINISTRATOR.username,
    MQTT_PASSWORD: ADMINISTRATOR.password,
  }
}

/** Found by its name, as this file is also compiled to another folder. */
const MAIN = createRequire(import.meta.url).resolve('#src/main.js')

/**
 * Starts a server on free ports of 127.0.0.1, with `cwd` as its working directory, which whoever calls ends.
 * `environment` goes before the defaults, and the words of `before` stand before the command.
 */
export function spawnServerProcess(
  cwd: string,
  environment: Readonly<Record<string, string>> = {},
  before: readonly string[] = [],
): Server {
  const [program = process.execPath, ...argv] = [...before, process.execPath, MAIN]
  const child = spawn(program, argv, {
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...serverEnvironment(), LOG_FORMAT: 'json', ...environment },
  })
  const log: LogLine[] = []
  const texts: string[] = []
  const watchers = new Set<(line: LogLine) => void>()
  const take = (text: string): void => {
    const line = parseLine(text)
    if (line === undefined) {
      texts.push(text)
      return
    }
    log.push(line)
    for (const watch of [...watchers]) watch(line)
  }
  createInterface({ input: child.stdout }).on('line', take)
  createInterface({ input: child.stderr }).on('line', take)
  const ended = once(child, 'close').then(() => child.exitCode ?? child.signalCode ?? 0)
  const everything = (): string => [...texts, ...log.map((line) => JSON.stringify(line))].join('\n')

  return {
    pid: child.pid ?? 0,
    folder: cwd,
    log,
    text: () => texts.join('\n'),
    port(scheme) {
      const listening = log.find(({ msg }) => msg === 'ready')?.['listening']
      const addresses = Array.isArray(listening) ? listening.map(String) : []
      const address = addresses.find((one) => one.startsWith(`${scheme}://`))
      if (address === undefined) throw new Error(`no ${scheme} listener in\n${everything()}`)
      return Number(new URL(address).port)
    },
    logged(accepts) {
      const known = log.find(accepts)
      if (known !== undefined) return Promise.resolve(known)
      const seen = new Promise<LogLine>((resolve) => {
        const watch = (line: LogLine): void => {
          if (!accepts(line)) return
          watchers.delete(watch)
          resolve(line)
        }
        watchers.add(watch)
      })
      const tooLate = ended.then((how): never => {
        throw new Error(`the server ended with ${how}:\n${everything()}`)
      })
      return Promise.race([seen, tooLate])
    },
    kill: (signal) => {
      child.kill(signal)
    },
    ended,
  }
}

function parseLine(text: string): LogLine | undefined {
  if (!text.startsWith('{')) return undefined
  try {
    const line: unknown = JSON.parse(text)
    return isLogLine(line) ? line : undefined
  } catch {
    return undefined
  }
}

function isLogLine(line: unknown): line is LogLine {
  return typeof line === 'object' && line !== null && 'msg' in line && typeof line.msg === 'string'
}
