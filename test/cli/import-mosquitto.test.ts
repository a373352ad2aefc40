import { chmod, chown, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { importMosquittoCommand } from '#src/cli/import-mosquitto.js'
import { loadSettings } from '#src/config/load.js'
import { cliContext } from '../support/cli-context.js'
import { damselfly } from '../support/command.js'
import { runMosquitto } from '../support/mosquitto.js'
import { installMosquitto } from '../support/mosquitto-installation.js'
import { run } from '../support/run.js'
import { startServer } from '../support/server.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const WRITTEN = [
  '.env',
  'certs/ca.crt',
  'certs/server.crt',
  'certs/server.key',
  'config/acl.conf',
  'config/passwd',
]

/** The environment says nothing, so that the imported `.env` decides, but for what runs beside other tests. */
const IMPORTED = {
  ...{ MQTT_PORT: '', MQTTS_PORT: '', WS_PORT: '', BIND_ADDRESS: '', MQTT_USERNAME: '', MQTT_PASSWORD: '' },
  HTTP_PORT: 'off',
}

/** The files below a folder, without the folders. */
async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort()
}

/** The lines that the report lists under a heading, without file and number. */
function listed(stdout: string, heading: string): string[] {
  const section = stdout.split('\n\n').find((text) => text.startsWith(`${heading}:\n`)) ?? ''
  return [...section.matchAll(/^ {2}\S+:\d+ +(\S.*)$/gm)].map(([, line = '']) => line)
}

async function importConf(lines: readonly string[], argv: readonly string[] = []) {
  const [source, folder] = [await temporaryFolder(), await temporaryFolder()]
  const conf = join(source, 'm.conf')
  await writeFile(conf, `${lines.join('\n')}\n`)
  return { source, conf, folder, outcome: await damselfly(folder, ['import-mosquitto', ...argv, conf]) }
}

describe('damselfly import-mosquitto', () => {
  it('takes over what a real Mosquitto serves: it copies files, and lists what it does not honour', async () => {
    const installation = await installMosquitto()
    await runMosquitto(installation.conf, installation.folder)

    const folder = await temporaryFolder()
    const outcome = await damselfly(folder, ['import-mosquitto', installation.conf])
    expect(outcome).toMatchObject({ code: 0, stderr: '' })
    expect(await filesBelow(folder)).toEqual(WRITTEN)
    const copies = [
      ['config/passwd', 'passwd', 0o600],
      ['config/acl.conf', 'acl', 0o600],
      ['certs/server.crt', 'certs/server.crt', 0o644],
      ['certs/server.key', 'certs/server.key', 0o600],
      ['certs/ca.crt', 'certs/ca.crt', 0o644],
    ] as const
    for (const [copy, original, mode] of copies) {
      expect(await readFile(join(folder, copy))).toEqual(await readFile(join(installation.folder, original)))
      expect((await stat(join(folder, copy))).mode & 0o777, copy).toBe(mode)
    }
    const hidden = installation.refused.map((line) =>
      line.replace('remote_password hidden', 'remote_password (not shown)'),
    )
    expect(listed(outcome.stdout, 'NOT HONOURED')).toEqual(hidden)
    expect(outcome.stdout).not.toContain('remote_password hidden')
    expect(listed(outcome.stdout, 'Nothing to do for')).toEqual([
      ...['persistence true', 'log_dest stderr', 'set_tcp_nodelay true', 'autosave_interval 900'],
      'tls_version tlsv1.2',
    ])
  })

  it('writes settings that the server reads, and with which it lets the same users in', async () => {
    const { conf, ports, user } = await installMosquitto()
    const folder = await temporaryFolder()
    await damselfly(folder, ['import-mosquitto', conf])
    expect(loadSettings({}, folder)).toMatchObject({
      ...{
        MQTT_PORT: ports.mqtt,
        MQTTS_PORT: ports.mqtts,
        WS_PORT: ports.ws,
        WSS_PORT: 'off',
        HTTP_PORT: 8080,
      },
      ...{ BIND_ADDRESS: '127.0.0.1', ALLOW_ANONYMOUS: false, TLS_REQUIRE_CLIENT_CERT: false },
      ...{ MAX_INFLIGHT: 40, MAX_QUEUED_MESSAGES: 65_535, MAX_PACKET_BYTES: 100_000 },
      ...{ SESSION_EXPIRY_S: 14 * 86_400, LOG_LEVEL: 'info' },
    })
    const check = await damselfly(folder, ['check'])
    expect(check).toMatchObject({ code: 0, stderr: '' })
    expect(check.stdout).toContain(
      `mqtt ${ports.mqtt}, mqtts ${ports.mqtts}, ws ${ports.ws}, http 8080 on 127.0.0.1`,
    )

    await startServer(IMPORTED, folder)
    const login = async (password: string, ...more: readonly string[]): Promise<number | null> => {
      const args = ['-h', '127.0.0.1', '-u', user.name, '-P', password, '-t', 'a', '-m', 'b', ...more]
      return (await run('mosquitto_pub', args)).code
    }
    expect(await login(user.password, '-p', `${ports.mqtt}`)).toBe(0)
    expect(await login('another', '-p', `${ports.mqtt}`)).toBe(5)
    const tls = ['-p', `${ports.mqtts}`, '--cafile', join(folder, 'certs', 'ca.crt')]
    expect(await login(user.password, ...tls)).toBe(0)
  })

  it('opens what Mosquitto opens without users and rules', async () => {
    const { folder, outcome } = await importConf(['listener 1883', 'allow_anonymous true'])
    expect(outcome.code).toBe(0)
    expect(await filesBelow(folder)).toEqual(['.env', 'config/acl.conf'])
    expect(await readFile(join(folder, 'config', 'acl.conf'), 'utf8')).toContain('\ntopic readwrite #\n')
    expect(loadSettings({}, folder)).toMatchObject({
      ALLOW_ANONYMOUS: true,
      MQTT_PORT: 1883,
      MQTTS_PORT: 'off',
    })
  })

  it('leaves the files of a listener with other users alone', async () => {
    const lines = ['per_listener_settings true', 'listener 1883', 'password_file absent', 'acl_file absent']
    const first = ['listener 9001', 'protocol websockets', 'allow_anonymous true']
    const { folder, outcome } = await importConf([...lines.slice(0, 1), ...first, ...lines.slice(1)])
    expect(outcome.code).toBe(0)
    expect(listed(outcome.stdout, 'NOT HONOURED')).toEqual(lines.slice(1))
    expect(loadSettings({}, folder)).toMatchObject({ MQTT_PORT: 'off', WS_PORT: 9001, ALLOW_ANONYMOUS: true })
  })

  it('names every file that exists, and writes nothing; with --force it keeps what else .env says', async () => {
    const { conf } = await installMosquitto()
    const folder = await temporaryFolder()
    for (const name of ['config', 'certs']) await mkdir(join(folder, name))
    const env = 'DATABASE_URL=sqlite:other.db\nMAX_INFLIGHT=1\nDB_PASSWORD="with # and \'quotes\'"\n'
    await writeFile(join(folder, '.env'), env)
    await writeFile(join(folder, 'config', 'passwd'), '')
    await writeFile(join(folder, 'certs', 'server.key'), 'mine', { mode: 0o606 })
    const refusal = await damselfly(folder, ['import-mosquitto', conf])
    expect(refusal).toMatchObject({ code: 1, stdout: '' })
    const existing = [...refusal.stderr.matchAll(/^ {2}(\S+) exists; --force/gm)].map(([, path]) => path)
    expect(existing.sort()).toEqual(['.env', 'certs/server.key', 'config/passwd'])
    expect(await filesBelow(folder)).toEqual(['.env', 'certs/server.key', 'config/passwd'])
    expect(await readFile(join(folder, '.env'), 'utf8')).toBe(env)

    expect((await damselfly(folder, ['import-mosquitto', '--force', conf])).code).toBe(0)
    expect(await filesBelow(folder)).toEqual(WRITTEN)
    expect(loadSettings({}, folder)).toMatchObject({
      DATABASE_URL: 'sqlite:other.db',
      DB_PASSWORD: "with # and 'quotes'",
      MAX_INFLIGHT: 40,
    })
    expect((await stat(join(folder, 'certs', 'server.key'))).mode & 0o777).toBe(0o600)
  })

  it('writes nothing with --dry-run, and prints the same', async () => {
    const { conf } = await installMosquitto()
    const folder = await temporaryFolder()
    const dry = await damselfly(folder, ['import-mosquitto', '--dry-run', conf])
    expect(dry).toMatchObject({ code: 0, stderr: '' })
    expect(await readdir(folder)).toEqual([])
    const { stdout } = await damselfly(folder, ['import-mosquitto', conf])
    const report = (text: string): string => text.slice(0, text.lastIndexOf('\n\n'))
    expect(report(dry.stdout)).toBe(report(stdout))
    expect(await damselfly(folder, ['import-mosquitto', '--dry-run', conf])).toMatchObject({ code: 1 })
  })

  it('names every file that it may not read, and writes nothing', async () => {
    const { conf, folder: source } = await installMosquitto()
    for (const name of ['passwd', 'certs/server.key']) await chmod(join(source, name), 0)
    await rm(join(source, 'acl'))
    const folder = await temporaryFolder()
    // Root reads every file, so it is somebody else for as long as this takes.
    for (const name of [source, folder]) await chmod(name, 0o777)
    const home = process.cwd()
    const isRoot = process.geteuid?.() === 0
    onTestFinished(() => {
      if (isRoot) process.seteuid?.(0)
      process.chdir(home)
    })
    process.chdir(folder)
    if (isRoot) process.seteuid?.(65_534)
    const { context, out, err } = cliContext({})
    const code = await importMosquittoCommand([conf], context)
    expect({ code, out: out() }).toEqual({ code: 1, out: '' })
    expect(err()).toMatch(/\/passwd \(\S+:15, password_file\) cannot be read \(EACCES\); run this as root/)
    expect(err()).toMatch(/\/server\.key \(\S+, keyfile\) cannot be read \(EACCES\)/)
    expect(err()).toMatch(/acl \(\S+:16, acl_file\) does not exist; looked for \S+\/acl and \S+\/acl$/m)
    expect(await readdir(folder)).toEqual([])
  })

  it('takes back what it has written when a file cannot be written', async () => {
    const { conf } = await installMosquitto()
    const folder = await temporaryFolder()
    await mkdir(join(folder, 'config'))
    await writeFile(join(folder, 'config', 'passwd'), 'before', { mode: 0o640 })
    // A folder in the place of a file can be neither read nor replaced.
    await mkdir(join(folder, 'config', 'acl.conf'))
    const outcome = await damselfly(folder, ['import-mosquitto', '--force', conf])
    expect(outcome).toMatchObject({ code: 1, stdout: '' })
    expect(outcome.stderr).toMatch(/config\/acl\.conf cannot be written \(EISDIR\)/)
    expect(await filesBelow(folder)).toEqual(['config/passwd'])
    expect(await readdir(folder)).toEqual(['config'])
    expect(await readFile(join(folder, 'config', 'passwd'), 'utf8')).toBe('before')
    const inAFile = { CERTS_DIR: 'config/passwd/certs' }
    const never = await damselfly(folder, ['import-mosquitto', '--force', conf], inAFile)
    expect(never).toMatchObject({ code: 1, stderr: expect.stringMatching(/passwd is not a folder/) })
  })

  it('lists an encrypted key with the command that decrypts it', async () => {
    const { conf, folder: source } = await installMosquitto()
    const key = join(source, 'certs', 'server.key')
    await run('openssl', ['pkcs8', '-topk8', '-in', key, '-out', `${key}.new`, '-passout', 'pass:hidden'])
    await writeFile(key, await readFile(`${key}.new`))
    const folder = await temporaryFolder()
    const { code, stdout } = await damselfly(folder, ['import-mosquitto', conf])
    expect(code).toBe(0)
    expect(listed(stdout, 'NOT HONOURED')).toContain('keyfile certs/server.key')
    const command = /openssl pkey -in (\S+) -out (\S+)/.exec(stdout.replaceAll(/\n +/g, ' '))
    expect(command?.slice(1)).toEqual([key, 'certs/server.key'])
    expect(await filesBelow(folder)).toEqual(WRITTEN.filter((name) => name !== 'certs/server.key'))
    expect((await damselfly(folder, ['check'])).code).toBe(1)
  })

  it('writes to CONFIG_DIR and CERTS_DIR, and names them in .env', async () => {
    const { conf } = await installMosquitto()
    const folder = await temporaryFolder()
    const [CONFIG_DIR, CERTS_DIR] = [join(folder, 'my config'), join(folder, "c'rts")]
    const { code } = await damselfly(folder, ['import-mosquitto', conf], { CONFIG_DIR, CERTS_DIR })
    expect(code).toBe(0)
    expect(await readdir(CONFIG_DIR)).toEqual(['acl.conf', 'passwd'])
    expect(await readdir(CERTS_DIR)).toEqual(['ca.crt', 'server.crt', 'server.key'])
    expect(loadSettings({}, folder)).toMatchObject({ CONFIG_DIR, CERTS_DIR })
  })

  it('run by root, leaves everything to the owner of the working directory', async () => {
    const { conf } = await installMosquitto()
    const folder = await temporaryFolder()
    if (process.getuid?.() === 0) await chown(folder, 65_534, 65_534)
    const { uid } = await stat(folder)
    expect((await damselfly(folder, ['import-mosquitto', conf])).code).toBe(0)
    for (const path of ['config', 'certs', ...WRITTEN]) {
      expect((await stat(join(folder, path))).uid, path).toBe(uid)
    }
  })

  it('fails without a file that it can read, and is called wrongly without or with two', async () => {
    const folder = await temporaryFolder()
    expect(await damselfly(folder, ['import-mosquitto', 'absent.conf'])).toMatchObject({
      code: 1,
      stderr: 'damselfly import-mosquitto: absent.conf cannot be read (ENOENT); check the path\n',
    })
    const { outcome } = await importConf(['include_dir absent'])
    expect(outcome).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/absent cannot be read \(ENOENT\)/),
    })
    for (const argv of [[], ['a', 'b'], ['--nonsense', 'a']]) {
      const { code, stdout, stderr } = await damselfly(folder, ['import-mosquitto', ...argv])
      expect({ code, stdout }, argv.join(' ')).toEqual({ code: 2, stdout: '' })
      expect(stderr).toMatch(/^damselfly import-mosquitto: .+\n$/)
    }
    expect(await readdir(folder)).toEqual([])
  })
})
