import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { onTestFinished } from 'vitest'
import type { Outcome } from './run.js'

const MAIN = new URL('../../dist/main.js', import.meta.url).pathname

/** Runs `damselfly …` as a process of its own in `folder`, with these settings and no others, behind the words of `before`. */
export async function damselfly(
  folder: string,
  argv: readonly string[],
  environment: Readonly<Record<string, string>> = {},
  before: readonly string[] = [],
): Promise<Outcome> {
  const [program = process.execPath, ...words] = [...before, process.execPath, MAIN, ...argv]
  const child = spawn(program, words, {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], LOG_FORMAT: 'json', ...environment },
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  await once(child, 'close')
  return { code: child.exitCode, stdout, stderr }
}

/** A device in the database, as `damselfly device add` printed it. */
export interface AddedDevice {
  readonly uuid: string
  readonly deviceId: string
  readonly secret: string
}

/** Adds a device to the database of the server in `folder`. */
export async function addDevice(
  folder: string,
  environment: Readonly<Record<string, string>> = {},
  before: readonly string[] = [],
): Promise<AddedDevice> {
  const { code, stdout, stderr } = await damselfly(folder, ['device', 'add'], environment, before)
  if (code !== 0) throw new Error(`device add: ${code} ${stderr}`)
  const word = (name: string): string => new RegExp(`^${name} +(\\S+)$`, 'm').exec(stdout)?.[1] ?? ''
  return { uuid: word('uuid'), deviceId: word('device_id'), secret: word('secret') }
}

/** What `damselfly device show` says of the newest reading of a sensor. */
export async function shownValue(
  folder: string,
  device: string,
  sensor: string,
  environment: Readonly<Record<string, string>> = {},
): Promise<string | undefined> {
  const { code, stdout, stderr } = await damselfly(folder, ['device', 'show', device], environment)
  if (code !== 0) throw new Error(`device show: ${code} ${stderr}`)
  const report: unknown = JSON.parse(stdout)
  const sensors: unknown = isRecord(report) ? report['sensors'] : undefined
  const found: unknown = Array.isArray(sensors)
    ? sensors.find((one: unknown) => isRecord(one) && one['sensor_name'] === sensor)
    : undefined
  return isRecord(found) ? String(found['sensor_value']) : undefined
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}
