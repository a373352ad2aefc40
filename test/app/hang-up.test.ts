import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'
import { createClient } from '@libsql/client'
import { expect, it, onTestFinished } from 'vitest'
import { connectRaw } from '../support/raw-client.js'
import { run } from '../support/run.js'
import { ADMINISTRATOR } from '../support/server.js'
import { serverEnvironment } from '../support/server-process.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const MAIN = new URL('../../dist/main.js', import.meta.url).pathname

/** Starts a server on a terminal of its own; resolves when it serves. */
async function startOnTerminal(LOG_FORMAT: string) {
  const folder = await temporaryFolder()
  await run('mkfifo', [join(folder, 'errors')])
  // It ends when the server does, with what that wrote to standard error.
  const ended = run('cat', [join(folder, 'errors')])
  const terminal = spawn(
    'script',
    ['-qec', `echo pid $$; exec '${process.execPath}' '${MAIN}' 2>errors`, '/dev/null'],
    {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...serverEnvironment(), SHELL: '/bin/sh', LOG_FORMAT },
    },
  )
  let pid = 0
  onTestFinished(() => {
    terminal.kill('SIGKILL')
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It has ended, as it should.
    }
  })
  const port = await new Promise<number>((resolve) => {
    createInterface({ input: terminal.stdout }).on('line', (line) => {
      pid = Number(/^pid (\d+)/.exec(line)?.[1] ?? pid)
      const address = /mqtt:\/\/127\.0\.0\.1:(\d+)/.exec(line)?.[1]
      if (address !== undefined) resolve(Number(address))
    })
  })
  return {
    folder,
    port,
    hangUpAgain: () => process.kill(pid, 'SIGHUP'),
    ended,
    async close() {
      terminal.kill('SIGKILL')
      await once(terminal, 'close')
    },
  }
}

/** Whether something listens on a port of 127.0.0.1. */
const listens = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })

it.each(['pretty', 'json'])(
  'A server whose terminal is closed finishes what was received and ends by itself: log %s',
  async (format) => {
    const server = await startOnTerminal(format)
    const client = await connectRaw(server.port, {
      ...ADMINISTRATOR,
      password: Buffer.from(ADMINISTRATOR.password),
    })
    const database = createClient({
      url: pathToFileURL(join(server.folder, 'data', 'damselfly.db')).href,
      timeout: 5000,
    })
    onTestFinished(() => database.close())
    const lock = await database.transaction('write')
    client.send(
      {
        cmd: 'publish',
        topic: 'devices/one/data',
        payload: '{"temperature":21.5}',
        messageId: 1,
        qos: 1,
        retain: false,
        dup: false,
      },
      { cmd: 'pingreq' },
    )
    await client.count('pingresp', 1)
    await server.close()
    while (await listens(server.port));
    server.hangUpAgain() // as a shell does that ends with its terminal
    await lock.rollback()
    await client.count('puback', 1)
    await client.closed
    expect(await server.ended).toEqual({ code: 0, stdout: '', stderr: '' })
    const { rows } = await database.execute('SELECT value FROM device_sensor_history')
    expect(rows).toMatchObject([{ value: 21.5 }])
  },
)
