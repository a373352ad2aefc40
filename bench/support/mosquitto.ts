import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import type { Context } from '../scenario.js'
import type { Server } from './server.js'

/**
 * Starts the distribution's Mosquitto on a free port of 127.0.0.1, as it is set by default but that it lets
 * everyone in, and resolves when it serves. Whoever starts it ends it with SIGKILL.
 */
export async function startMosquitto({ processes }: Context, file: string, port: number): Promise<Server> {
  const child = processes.start('mosquitto', ['-c', file], { stdio: ['ignore', 'ignore', 'pipe'] })
  const running = new Promise<void>((resolve) => {
    child.stderr?.on('data', (text) => {
      if (String(text).includes(' running')) resolve()
    })
  })
  const ended = once(child, 'close').then(([code]): never => {
    throw new Error(`Mosquitto ended with ${code}`)
  })
  await Promise.race([running, ended])
  ended.catch(() => undefined) // it is killed when it has served
  if (child.pid === undefined) throw new Error('Mosquitto does not run')
  return { port, pid: child.pid }
}

/** Writes its configuration into the run's folder; it takes no port 0. */
export async function mosquittoFile({ folder }: Pick<Context, 'folder'>) {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (typeof address !== 'object' || address === null) throw new Error('no free port')
  const file = join(folder, 'mosquitto.conf')
  await writeFile(file, `listener ${address.port} 127.0.0.1\nallow_anonymous true\n`)
  return { file, port: address.port }
}
