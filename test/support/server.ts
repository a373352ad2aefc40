import { onTestFinished } from 'vitest'
import { type Server, spawnServerProcess } from './server-process.js'
import { temporaryFolder } from './temporary-folder.js'

export { ADMINISTRATOR, type LogLine, type Server } from './server-process.js'

/**
 * Starts a server on free ports of 127.0.0.1 until the running test is over. `folder` lets a second one go
 * on where the first stopped; `environment` goes before the defaults.
 */
export async function spawnServer(
  environment: Readonly<Record<string, string>> = {},
  folder?: string,
): Promise<Server> {
  const server = spawnServerProcess(folder ?? (await temporaryFolder()), environment)
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
): Promise<Server> {
  const server = await spawnServer(environment, folder)
  await server.logged(({ msg }) => msg === 'ready')
  return server
}
