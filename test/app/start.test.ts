import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { cp, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { describe, expect, inject, it, onTestFinished } from 'vitest'
import { damselfly, shownValue } from '../support/command.js'
import { freePort } from '../support/free-port.js'
import { mariadbAt } from '../support/mariadb.js'
import { connectRaw } from '../support/raw-client.js'
import { run } from '../support/run.js'
import { ADMINISTRATOR, spawnServer, startServer } from '../support/server.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const noAdministrator = { MQTT_USERNAME: '', MQTT_PASSWORD: '' }

describe('The first start', () => {
  it('prints a password once, in a line that publishes as it stands; later ones keep everything', async () => {
    const first = await startServer({ ...noAdministrator, MQTTS_PORT: '0' })
    const line = /^ {2}(mosquitto_pub .+)$/m.exec(first.text())?.[1] ?? ''
    expect(line).toContain(`-p ${first.port('mqtt')}`)
    expect(await run('sh', ['-c', line])).toMatchObject({ code: 0, stderr: '' })
    expect(await shownValue(first.folder, 'demo', 'temperature')).toBe('25.5')
    const password = /^ {2}password +(\S+)$/m.exec(first.text())?.[1] ?? ''
    expect(password).toHaveLength(24)
    expect(JSON.stringify(first.log)).not.toContain(password)
    const passwd = join(first.folder, 'config', 'passwd')
    expect((await stat(passwd)).mode & 0o777).toBe(0o600)
    const files = [
      passwd,
      ...['ca.crt', 'server.crt', 'server.key'].map((name) => join(first.folder, 'certs', name)),
    ]
    const contents = () => Promise.all(files.map((file) => readFile(file, 'utf8')))
    const before = await contents()
    expect(before.join('\n')).not.toContain(password)
    first.kill('SIGTERM')
    expect(await first.ended).toBe(0)

    const second = await startServer({ ...noAdministrator, MQTTS_PORT: '0' }, first.folder)
    expect(second.text()).toBe('')
    expect(await contents()).toEqual(before)
    const login = { username: 'admin', password: Buffer.from(password) }
    expect((await connectRaw(second.port('mqtt'), login)).connack.returnCode).toBe(0)
    expect(await shownValue(first.folder, 'demo', 'temperature')).toBe('25.5')
  })

  it('makes no certificates where no listener needs any', async () => {
    const server = await startServer({ WS_PORT: '0' })
    expect(existsSync(join(server.folder, 'certs'))).toBe(false)
    const check = await damselfly(server.folder, ['check'], { MQTTS_PORT: 'off', WSS_PORT: 'off' })
    expect(check.stdout).toMatch(/^certificates +none are needed$/m)
  })

  it('says in one line where it listens, what it stores in, and where sessions are', async () => {
    const server = await startServer({ MQTTS_PORT: '0', WS_PORT: '0', WSS_PORT: '0', HTTP_PORT: '0' })
    const [ready, ...more] = server.log
    expect(ready).toMatchObject({
      level: 'info',
      msg: 'ready',
      listening: ['mqtt', 'mqtts', 'ws', 'wss', 'http'].map((scheme) =>
        expect.stringMatching(new RegExp(`^${scheme}://127\\.0\\.0\\.1:[1-9][0-9]*$`)),
      ),
      database: 'sqlite:data/damselfly.db',
      sessions: 'on disk in data/state.db',
    })
    expect(more).toEqual([])
    expect(server.text()).toBe('')
  })
})

describe('A database that is away at the start', () => {
  it('is waited for: /readyz says what lacks, and the server serves when it comes', async () => {
    const mariadb = mariadbAt(inject('mariadbPort'))
    const name = `test_${randomUUID().replaceAll('-', '')}`
    await mariadb.createDatabase(name)
    onTestFinished(
      async () => void (await mariadb.query('mysql', `DROP DATABASE ${name}; DROP USER ${name}`)),
    )
    await mariadb.query(
      'mysql',
      `CREATE USER ${name} IDENTIFIED BY 'hidden'; GRANT ALL ON ${name}.* TO ${name}`,
    )
    const [port, httpPort] = [await freePort(), await freePort()]
    const server = await spawnServer({
      DATABASE_URL: `mysql://${name}:hidden@127.0.0.1:${port}/${name}`,
      UNKNOWN_DEVICES: 'register',
      HTTP_PORT: `${httpPort}`,
    })
    const waiting = await server.logged(({ msg }) => msg.startsWith('the database cannot be reached'))
    expect(waiting).toMatchObject({
      level: 'warn',
      retryInSeconds: 2,
      error: expect.stringContaining('ECONNREFUSED'),
    })
    const get = (path: string) => fetch(`http://127.0.0.1:${httpPort}${path}`)
    expect((await get('/healthz')).status).toBe(200)
    const notReady = await get('/readyz')
    expect(notReady.status).toBe(503)
    expect(await notReady.json()).toEqual({
      status: 'not ready',
      parts: { listeners: false, store: false, sessions: false },
    })

    const door = createServer((socket) => {
      const behind = connect(mariadb.port, '127.0.0.1')
      for (const [from, to] of [[socket, behind] as const, [behind, socket] as const]) {
        from.on('error', () => undefined).on('close', () => to.destroy())
        from.pipe(to)
      }
    }).listen(port, '127.0.0.1')
    onTestFinished(() => void door.close())
    const ready = await server.logged(({ msg }) => msg === 'ready')
    expect(ready['database']).toBe(`mysql://${name}@127.0.0.1:${port}/${name}`)
    expect((await get('/readyz')).status).toBe(200)
    const client = await connectRaw(server.port('mqtt'), {
      ...ADMINISTRATOR,
      password: Buffer.from(ADMINISTRATOR.password),
    })
    const flags = { qos: 1, messageId: 1, retain: false, dup: false } as const
    client.send({ cmd: 'publish', topic: 'devices/one/data', payload: '{"light":3}', ...flags })
    await client.count('puback', 1)
    expect(await mariadb.query(name, 'SELECT sensor_value FROM device_sensors')).toMatchObject([
      { sensor_value: '3' },
    ])
    expect(JSON.stringify(server.log)).not.toContain('hidden')
    server.kill('SIGTERM')
    expect(await server.ended).toBe(0)
  })
})

describe('The start is refused with 1 and one line', () => {
  const off = {
    MQTT_PORT: '0',
    MQTTS_PORT: 'off',
    WS_PORT: 'off',
    HTTP_PORT: 'off',
    BIND_ADDRESS: '127.0.0.1',
  }

  async function refusal(environment: Readonly<Record<string, string>>, folder?: string): Promise<string> {
    const { code, stdout, stderr } = await damselfly(folder ?? (await temporaryFolder()), [], {
      ...off,
      ...environment,
    })
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toMatch(/^damselfly: .+\n$/)
    return stderr
  }

  it('for a certificate that cannot be read, and for one that is not of its key', async () => {
    const folder = await temporaryFolder()
    const certs = join(folder, 'certs')
    await mkdir(certs)
    for (const name of ['server.crt', 'server.key']) await writeFile(join(certs, name), 'nonsense')
    expect(await refusal({}, folder)).toMatch(/CERTIFICATE_FILE: .*certs\/server\.crt/)
    const folders = [await temporaryFolder(), await temporaryFolder()] as const
    for (const one of folders) expect((await damselfly(one, ['certs'])).code).toBe(0)
    await cp(join(folders[0], 'certs', 'server.key'), join(folders[1], 'certs', 'server.key'))
    expect(await refusal({}, folders[1])).toMatch(/CERTIFICATE_FILE: .*certs\/server\.key/)
  })

  it('for a wrong database setting, before anything is made', async () => {
    const folder = await temporaryFolder()
    const line = await refusal({ DATABASE_URL: 'postgres://user:hidden@host/name' }, folder)
    expect(line).toMatch(/CONFIG_VALUE: DATABASE_URL/)
    expect(line).not.toContain('hidden')
    expect(await readdir(folder)).toEqual([])
  })

  it('for a password file that cannot be read: it never opens the door', async () => {
    const folder = await temporaryFolder()
    await mkdir(join(folder, 'config', 'passwd'), { recursive: true })
    expect(await refusal({}, folder)).toMatch(/PASSWORD_FILE: .*config\/passwd/)
  })

  it('for a database file that cannot be opened', async () => {
    expect(await refusal({ DATABASE_URL: 'sqlite:/dev/null/damselfly.db' })).toMatch(
      /\/dev\/null\/damselfly\.db/,
    )
  })
})
