import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePort } from '../../test/support/free-port.js'
import { programPath } from '../../test/support/packages.js'
import type { Context } from '../scenario.js'
import type { Server } from './server.js'

/** Where Mosquitto's configuration is, and where it will listen; it takes no port 0. */
export interface MosquittoFile {
  readonly file: string
  readonly port: number
}

/** Writes a configuration that lets everyone in into the run's folder; `options` are further lines of it. */
export async function mosquittoFile(
  { folder }: Pick<Context, 'folder'>,
  options: readonly string[] = [],
): Promise<MosquittoFile> {
  const port = await freePort()
  const file = join(folder, 'mosquitto.conf')
  // "user root" lets it read and write the run's folder when the benchmark is run by root.
  const lines = [
    `listener ${port} 127.0.0.1`,
    'allow_anonymous true',
    'user root',
    'connection_messages false',
  ]
  await writeFile(file, `${[...lines, ...options].join('\n')}\n`)
  return { file, port }
}

/** Starts the distribution's Mosquitto on 127.0.0.1, with a file of its own unless given, and resolves when it serves. */
export async function startMosquitto(
  context: Pick<Context, 'processes' | 'folder'>,
  given?: MosquittoFile,
): Promise<Server> {
  const { processes } = context
  const { file, port } = given ?? (await mosquittoFile(context))
  const child = processes.start(programPath('mosquitto'), ['-c', file], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const { pid, stderr } = child
  if (pid === undefined || stderr === null) throw new Error('Mosquitto does not run')
  const running = new Promise<void>((resolve) => {
    stderr.on('data', (text) => {
      if (String(text).includes(' running')) resolve()
    })
  })
  const failed = once(child, 'close').then(([code]): never => {
    throw new Error(`Mosquitto ended with ${code}`)
  })
  await Promise.race([running, failed])
  failed.catch(() => undefined) // it ends with the run
  return { port, pid }
}
