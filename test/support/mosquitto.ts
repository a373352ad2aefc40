import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { run } from './run.js'
import { type AtEnd, temporaryFolder, withTest } from './temporary-folder.js'

/** A real Mosquitto. */
export interface Mosquitto {
  readonly port: number
  /** Whether it lets this user in with this password. */
  accepts(user: string, password: string): Promise<boolean>
  /** Its log until now. */
  log(): string
}

/**
 * Starts Mosquitto on a free port of 127.0.0.1 until the running test is over, with options of its
 * configuration file, or with a password file. Rejects with its log when it does not start.
 */
export async function startMosquitto(
  options: string | Readonly<Record<string, string>>,
  atEnd: AtEnd = withTest,
): Promise<Mosquitto> {
  const given = typeof options === 'string' ? { allow_anonymous: 'false', password_file: options } : options
  const port = await freePort()
  const path = join(await temporaryFolder(atEnd), 'mosquitto.conf')
  // "user root" lets it read a file of mode 0600 when the tests are run by root, and says nothing otherwise.
  const lines = [
    `listener ${port} 127.0.0.1`,
    'user root',
    ...Object.entries(given).map(([name, value]) => `${name} ${value}`),
  ]
  await writeFile(path, `${lines.join('\n')}\n`)
  const log = await runMosquitto(path, undefined, atEnd)
  return {
    port,
    async accepts(user, password) {
      const args = ['-h', '127.0.0.1', '-p', `${port}`, '-u', user, '-P', password, '-t', 'a', '-m', 'b']
      const { code, stderr } = await run('mosquitto_pub', args)
      if (code !== 0 && code !== 5) throw new Error(`mosquitto_pub: ${code} ${stderr}`)
      return code === 0
    },
    log: () => log.join('\n'),
  }
}

/** Runs `mosquitto -c` in a folder until the running test is over, and returns its log when it serves. */
export async function runMosquitto(
  path: string,
  folder?: string,
  atEnd: AtEnd = withTest,
): Promise<readonly string[]> {
  const child = spawn('mosquitto', ['-c', path], { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] })
  const log: string[] = []
  const ended = once(child, 'close')
  atEnd(async () => {
    child.kill('SIGKILL') // a SIGTERM is lost while it is starting
    await ended
  })
  await new Promise<void>((resolve, reject) => {
    createInterface({ input: child.stderr }).on('line', (line) => {
      log.push(line)
      if (/mosquitto version .* running/.test(line)) resolve()
    })
    ended.then(() => reject(new Error(`mosquitto ended:\n${log.join('\n')}`)), reject)
  })
  return log
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}
