import { pbkdf2Sync } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { ADMINISTRATOR, type Server, spawnServerProcess } from './server-process.js'
import { temporaryFolder } from './temporary-folder.js'

export { ADMINISTRATOR, type LogLine, type Server } from './server-process.js'

/**
 * Starts a server on free ports of 127.0.0.1 until the running test is over. `folder` lets a second one go
 * on where the first stopped; `environment` goes before the defaults, and the words of `before` stand before the
 * command.
 */
export async function spawnServer(
  environment: Readonly<Record<string, string>> = {},
  folder?: string,
  before: readonly string[] = [],
): Promise<Server> {
  const server = spawnServerProcess(folder ?? (await folderOfServer(environment)), environment, before)
  onTestFinished(async () => {
    server.kill('SIGKILL')
    await server.ended
  })
  return server
}

/** What a login costs with Mosquitto's tool; the server would hash with a thousand times as many iterations. */
const ITERATIONS = 101

/** An empty folder, but that the administrator is there already where none is asked for. */
async function folderOfServer(environment: Readonly<Record<string, string>>): Promise<string> {
  const folder = await temporaryFolder()
  const isOther = ['MQTT_USERNAME', 'MQTT_PASSWORD', 'CONFIG_DIR'].some((name) => name in environment)
  if (isOther) return folder
  const salt = Buffer.alloc(12, 's')
  const hash = pbkdf2Sync(ADMINISTRATOR.password, salt, ITERATIONS, 64, 'sha512')
  const entry = `${ADMINISTRATOR.username}:$7$${ITERATIONS}$${salt.toString('base64')}$${hash.toString('base64')}\n`
  await mkdir(join(folder, 'config'))
  await writeFile(join(folder, 'config', 'passwd'), entry, { mode: 0o600 })
  return folder
}

/** The same, resolved when the server serves. */
export async function startServer(
  environment: Readonly<Record<string, string>> = {},
  folder?: string,
  before: readonly string[] = [],
): Promise<Server> {
  const server = await spawnServer(environment, folder, before)
  await server.logged(({ msg }) => msg === 'ready')
  return server
}

/** The parts that `/readyz` names, and whether each works. */
export async function readyz(server: Server): Promise<unknown> {
  const response = await fetch(`http://127.0.0.1:${server.port('http')}/readyz`)
  const body: unknown = await response.json()
  return typeof body === 'object' && body !== null && 'parts' in body ? body.parts : undefined
}
