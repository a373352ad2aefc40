import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { createLogger } from '#src/log/logger.js'
import { type ServiceState, serviceManager, startServiceNotices } from '#src/service-manager.js'
import { startNotifySocket } from '../support/notify-socket.js'
import { programPath } from '../support/packages.js'
import { run } from '../support/run.js'
import { ADMINISTRATOR, readyz, type Server, spawnServer, startServer } from '../support/server.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const deploy = new URL('../../deploy/', import.meta.url).pathname
const REPOSITORY = new URL('../..', import.meta.url).pathname

/** The unit, with Node where it is here. */
async function unit(): Promise<string> {
  const text = await readFile(join(deploy, 'systemd', 'damselfly.service'), 'utf8')
  return text.replace(/^ExecStart=node /m, `ExecStart=${process.execPath} `)
}

/** Every value of a setting of the unit, in order. */
const valuesOf = (text: string, name: string): string[] =>
  [...text.matchAll(new RegExp(`^${name}=(.*)$`, 'gm'))].map(([, value = '']) => value)

/** The unit's command, with this repository in the place of /opt/damselfly. */
function commandOf(text: string): string {
  const [command = ''] = valuesOf(text, 'ExecStart')
  return command.replace('/opt/damselfly/', REPOSITORY)
}

/** The unit's environment. */
function environmentOf(text: string): Readonly<Record<string, string>> {
  const pairs = valuesOf(text, 'Environment').flatMap((value) => value.split(' '))
  return Object.fromEntries(pairs.map((pair) => pair.split('=', 2)))
}

/** Starts what the unit starts, as far as `environment` lets it. */
async function startUnit(environment: Readonly<Record<string, string>>): Promise<Server> {
  const text = await unit()
  // The shell takes what stands behind its command for names of its own.
  return startServer({ ...environmentOf(text), ...environment }, undefined, [
    '/bin/sh',
    '-c',
    `exec ${commandOf(text)}`,
  ])
}

async function unitFile(): Promise<string> {
  const path = join(await temporaryFolder(), 'damselfly.service')
  await writeFile(path, await unit())
  return path
}

it('systemd finds nothing wrong with the unit, and its exposure at most OK', async () => {
  const path = await unitFile()
  const analyze = programPath('systemd-analyze')
  expect(await run(analyze, ['verify', '--man=no', path])).toEqual({ code: 0, stdout: '', stderr: '' })
  const security = await run(analyze, ['security', '--offline=true', '--threshold=49', '--no-pager', path])
  expect(security).toMatchObject({ code: 0 })
  expect(security.stdout).toMatch(/Overall exposure level for damselfly\.service: [0-4]\.\d OK/)
})

it('its user is made by systemd-sysusers', async () => {
  const root = await temporaryFolder()
  await mkdir(join(root, 'etc'))
  const text = await readFile(join(deploy, 'systemd', 'damselfly.sysusers'), 'utf8')
  expect(await run(programPath('systemd-sysusers'), [`--root=${root}`, '-'], text)).toMatchObject({ code: 0 })
  const users = await readFile(join(root, 'etc', 'passwd'), 'utf8')
  expect(users).toMatch(/^damselfly:x:\d+:\d+:Damselfly:\/var\/lib\/damselfly:\/usr\/sbin\/nologin$/m)
})

it('its command, with its environment, says when it is ready, and again and again that it serves', async () => {
  const { path, received } = await startNotifySocket()
  const server = await startUnit({ NOTIFY_SOCKET: path, WATCHDOG_USEC: '900000' })
  await received.line(/^READY=1$/)
  const notices = (): number => received.lines.filter((line) => line === 'WATCHDOG=1').length
  await expect.poll(notices, { timeout: 25_000 }).toBeGreaterThan(3)
  expect(received.lines).toContain('STATUS=ready')
  server.kill('SIGTERM')
  expect(await server.ended).toBe(0)
  expect(received.lines.filter((line) => line === 'READY=1')).toHaveLength(1)
  expect(server.log.filter(({ level }) => level === 'warn')).toEqual([])
})

it('its signal to reload is taken, and the server goes on', async () => {
  expect(valuesOf(await unit(), 'ExecReload')).toEqual(['kill -HUP $MAINPID'])
  const server = await startUnit({})
  server.kill('SIGHUP')
  await server.logged(({ msg }) => msg.includes('reload') || msg.includes('read again'))
  server.kill('SIGTERM')
  expect(await server.ended).toBe(0)
})

it('nothing is told where systemd did not start the server, or another process of the unit is watched', () => {
  expect(serviceManager({ WATCHDOG_USEC: '1000000' }, 7)).toBeUndefined()
  const watched = { NOTIFY_SOCKET: '/run/notify', WATCHDOG_USEC: '1500000' }
  expect(serviceManager(watched, 7)?.watchdogMs).toBe(1500)
  expect(serviceManager({ ...watched, WATCHDOG_PID: '7' }, 7)?.watchdogMs).toBe(1500)
  expect(serviceManager({ ...watched, WATCHDOG_PID: '8' }, 7)?.watchdogMs).toBeUndefined()
  expect(serviceManager({ NOTIFY_SOCKET: '/run/notify' }, 7)?.watchdogMs).toBeUndefined()
})

it('a server that does not serve says so, and not that it is well; a database that is away is no reason', async () => {
  const { path, received } = await startNotifySocket()
  const environment = { PATH: process.env['PATH'], NOTIFY_SOCKET: path, WATCHDOG_USEC: '300000' }
  const manager = serviceManager(environment, process.pid)
  if (manager === undefined) throw new Error('no manager')
  let state: ServiceState = { isServing: true, status: 'without store' }
  const log = await createLogger({ LOG_LEVEL: 'silent', LOG_FORMAT: 'json' })
  const notices = startServiceNotices(manager, async () => state, log)
  onTestFinished(notices.stop)
  await received.line(/^WATCHDOG=1$/)
  await received.line(/^STATUS=without store$/)
  state = { isServing: false, status: 'deaf' }
  await received.line(/^STATUS=deaf$/)
  const until = received.lines.indexOf('STATUS=deaf')
  const later = (): number => received.lines.filter((line) => line === 'STATUS=deaf').length
  await expect.poll(later, { timeout: 25_000 }).toBeGreaterThan(2)
  expect(received.lines.slice(until)).not.toContain('WATCHDOG=1')
})

it('a server that cannot reach systemd serves, and says so in the log', async () => {
  const server = await startUnit({ NOTIFY_SOCKET: '/nonexistent/notify' })
  expect(await server.logged(({ msg }) => msg.startsWith('cannot tell systemd'))).toMatchObject({
    level: 'warn',
  })
  server.kill('SIGTERM')
  expect(await server.ended).toBe(0)
})

it('the system calls that the unit forbids are none that the server needs', async () => {
  const denied = await deniedCalls()
  const trace = ['-D', '-f', '-qq', '--seccomp-bpf', '-o', '/dev/null']
  const server = await startServer({ MQTTS_PORT: '0', WS_PORT: '0', HTTP_PORT: '0' }, undefined, [
    programPath('strace'),
    ...trace,
    ...['-e', `trace=${denied}`, '-e', `inject=${denied}:error=EPERM`],
  ])
  const args = ['-h', '127.0.0.1', '-p', `${server.port('mqtt')}`, '-u', ADMINISTRATOR.username]
  const reading = ['-P', ADMINISTRATOR.password, '-q', '1', '-t', 'devices/one/data', '-m', '{"light":1}']
  expect(await run('mosquitto_pub', [...args, ...reading])).toMatchObject({ code: 0 })
  expect(await readyz(server)).toEqual({ listeners: true, store: true, sessions: true })
  server.kill('SIGTERM')
  expect(await server.ended).toBe(0)
})

/** What the unit's filter denies, as strace names a set; but for @chown, of which only root's server makes use. */
async function deniedCalls(): Promise<string> {
  const [allowed = '', removed = ''] = valuesOf(await unit(), 'SystemCallFilter')
  const denied = new Set(await expand(removed.replace(/^~/, '').split(' ')))
  for (const call of await expand(['@chown'])) denied.delete(call)
  const calls = (await expand(['@default', '@chown', ...allowed.split(' ')])).filter(
    (one) => !denied.has(one),
  )
  return `!${calls.map((call) => `?${call}`).join(',')}`
}

/** The system calls of systemd's sets. */
async function expand(sets: readonly string[]): Promise<string[]> {
  const calls: string[] = []
  for (const set of sets) {
    const { stdout } = await run(programPath('systemd-analyze'), ['syscall-filter', '--no-pager', set])
    const words = stdout
      .split('\n')
      .slice(1)
      .map((line) => line.trim())
    for (const word of words.filter((one) => /^@?[a-z]/.test(one))) {
      calls.push(...(word.startsWith('@') ? await expand([word]) : [word]))
    }
  }
  return calls
}

it('a log file is rotated under the running server, which writes on', async () => {
  const folder = await temporaryFolder()
  const path = join(folder, 'damselfly.log')
  const server = await spawnServer({ LOG_LEVEL: 'debug' }, undefined, [
    '/bin/sh',
    '-c',
    `exec "$0" "$@" >> ${path}`,
  ])
  const log = (): Promise<string> => readFile(path, 'utf8').catch(() => '')
  await expect.poll(log, { timeout: 25_000 }).toContain('"msg":"ready"')
  const configuration = join(folder, 'logrotate.conf')
  const text = await readFile(join(deploy, 'logrotate', 'damselfly'), 'utf8')
  await writeFile(configuration, text.replaceAll('/var/log/damselfly/', `${folder}/`), { mode: 0o644 })
  const rotate = ['--force', '--state', join(folder, 'state'), configuration]
  expect(await run(programPath('logrotate'), rotate)).toMatchObject({ code: 0 })
  expect(await readFile(`${path}.1`, 'utf8')).toContain('"msg":"ready"')
  server.kill('SIGTERM')
  expect(await server.ended).toBe(0)
  expect(await log()).toMatch(/^\{[^\0]+"msg":"stopped"\}\n$/)
})
