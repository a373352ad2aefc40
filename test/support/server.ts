import { onTestFinished } from 'vitest'
import { type Server, spawnServerProcess } from './server-process.js'
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
  const server = spawnServerProcess(folder ?? (await temporaryFolder()), environment, before)
  onTestFinished(async () => {
    server.kill('SIGKILL')
    await server.ended
  })
  return server
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
