import { once } from 'node:events'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { connectAsync } from 'mqtt'
import { describe, expect, it } from 'vitest'
import { ensureCertificates } from '#src/listen/certificates.js'
import { commonName } from '#src/listen/client-certificate.js'
import { damselfly, shownValue } from '../support/command.js'
import { type ClientFiles, issueClient, makeAuthority, openssl, revoke } from '../support/openssl.js'
import { run } from '../support/run.js'
import { ended, handshake, startSecureListeners, trusting } from '../support/secure-listeners.js'
import { ADMINISTRATOR, type Server, startServer } from '../support/server.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const required = { TLS_REQUIRE_CLIENT_CERT: 'true', MQTT_PORT: 'off', MQTTS_PORT: '0', WSS_PORT: '0' }
const wrongFile = { name: 'ConfigError', code: 'CERTIFICATE_FILE' }

/** What mosquitto_pub and mosquitto_sub need to reach the server's mqtts. */
function toServer(server: Server, client?: ClientFiles): string[] {
  const login = ['-u', ADMINISTRATOR.username, '-P', ADMINISTRATOR.password]
  const trust = ['--cafile', join(server.folder, 'certs', 'ca.crt')]
  const own = client === undefined ? [] : ['--cert', client.cert, '--key', client.key]
  return ['-h', 'localhost', '-p', `${server.port('mqtts')}`, ...login, ...trust, ...own, '-q', '1']
}

const publish = (server: Server, topic: string, client?: ClientFiles, ...more: string[]) =>
  run('mosquitto_pub', [...toServer(server, client), '-t', topic, '-m', '{"temperature":21.5}', ...more])

/** Connects to wss with mqtt.js, publishes, and ends. */
async function publishOverWss(port: number, topic: string, options: object): Promise<void> {
  const url = `wss://localhost:${port}`
  const client = await connectAsync(url, { ...ADMINISTRATOR, reconnectPeriod: 0, ...options }, false)
  await client.publishAsync(topic, '{"temperature":22.5}', { qos: 1 })
  await client.endAsync()
}

/** A folder of certificates, with a client's among them. */
async function folderWithClient(): Promise<{ folder: string; client: ClientFiles }> {
  const folder = await temporaryFolder()
  await ensureCertificates(folder)
  return { folder, client: await issueClient(folder, 'device-1') }
}

describe('A server that requires client certificates', () => {
  it('takes readings of, and delivers to, who shows one that its CA signed', async () => {
    const server = await startServer(required)
    const client = await issueClient(join(server.folder, 'certs'), 'device-1')
    expect(await publish(server, 'news', client, '-r')).toMatchObject({ code: 0, stderr: '' })
    const subscribed = run('mosquitto_sub', [...toServer(server, client), '-t', 'news', '-C', '1'])
    expect(await subscribed).toEqual({ code: 0, stderr: '', stdout: '{"temperature":21.5}\n' })
    expect(await publish(server, 'devices/by-tls/data', client)).toMatchObject({ code: 0, stderr: '' })
    const options = await trusting(join(server.folder, 'certs'), client)
    await publishOverWss(server.port('wss'), 'devices/by-wss/data', options)
    expect(await shownValue(server.folder, 'by-tls', 'temperature')).toBe('21.5')
    expect(await shownValue(server.folder, 'by-wss', 'temperature')).toBe('22.5')
  })

  it('refuses none, one of another CA, one not meant for clients, and a revoked one', async () => {
    const folder = await temporaryFolder()
    const certs = join(folder, 'certs')
    await ensureCertificates(certs)
    const foreign = await temporaryFolder()
    await makeAuthority(foreign)
    const good = await issueClient(certs, 'device-1')
    const revoked = await issueClient(certs, 'device-2')
    await revoke(certs, [revoked])
    const server = await startServer(required, folder)
    const cases: readonly (readonly [string, ClientFiles | undefined])[] = [
      ['none was shown', undefined],
      ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', await issueClient(foreign, 'device-1')],
      ['INVALID_PURPOSE', { cert: join(certs, 'server.crt'), key: join(certs, 'server.key') }],
      ['CERT_REVOKED', revoked],
    ]
    for (const [reason, client] of cases) {
      expect((await publish(server, 'devices/d/data', client)).code, reason).not.toBe(0)
      await server.logged((line) => line['reason'] === reason && line.msg.includes('certificate was refused'))
      const options = { ...(await trusting(certs, client)), connectTimeout: 3000 }
      await expect(publishOverWss(server.port('wss'), 'devices/d/data', options), reason).rejects.toThrow()
    }
    expect(await publish(server, 'devices/d/data', good)).toMatchObject({ code: 0, stderr: '' })
  })

  it('refuses TLS 1.1, and takes 1.2 and 1.3', async () => {
    const { folder, client } = await folderWithClient()
    const { mqtts, wss } = await startSecureListeners(folder, 'required')
    for (const port of [mqtts, wss]) {
      const connect = (...more: string[]) => {
        const own = ['-cert', client.cert, '-key', client.key, '-CAfile', join(folder, 'ca.crt')]
        return run('openssl', ['s_client', '-connect', `127.0.0.1:${port}`, ...own, ...more])
      }
      // At level 0 this openssl itself does speak TLS 1.1.
      const old = await connect('-tls1_1', '-cipher', 'DEFAULT@SECLEVEL=0')
      expect(old.code).not.toBe(0)
      expect(old.stderr).toMatch(/alert protocol version/)
      for (const version of ['-tls1_2', '-tls1_3']) expect((await connect(version)).code, version).toBe(0)
    }
  })

  it('refuses everyone by a CRL that has expired, and warns of it', async () => {
    const { folder, client } = await folderWithClient()
    await revoke(folder, [], ['-crl_lastupdate', '20250101000000Z', '-crl_nextupdate', '20250201000000Z'])
    const { mqtts, peers, log, certificates } = await startSecureListeners(folder, 'required')
    expect(certificates.warnings).toEqual([
      expect.stringMatching(/ca\.crl expired on 2025-02-01, so that every client is refused/),
    ])
    const socket = await handshake(mqtts, await trusting(folder, client))
    await ended(socket)
    expect(peers).toEqual([])
    expect(log.join()).toContain('CRL_HAS_EXPIRED')
  })

  it('does not start with TLS_IDENTITY_AS_USERNAME alone, and the check says so', async () => {
    const folder = await temporaryFolder()
    const alone = { TLS_IDENTITY_AS_USERNAME: 'true', HTTP_PORT: 'off' }
    const conflict = /CONFIG_CONFLICT: TLS_IDENTITY_AS_USERNAME is on .*set TLS_REQUIRE_CLIENT_CERT=true/
    expect(await damselfly(folder, [], alone)).toMatchObject({ code: 1, stderr: conflict })
    expect(await damselfly(folder, ['check'], alone)).toMatchObject({ code: 1, stdout: conflict })
  })

  it('is described by the check', async () => {
    const folder = await temporaryFolder()
    const certs = join(folder, 'certs')
    await ensureCertificates(certs)
    const settings = { TLS_REQUIRE_CLIENT_CERT: 'true', WS_PORT: 'off', WSS_PORT: '9443' }
    const before = await damselfly(folder, ['check'], settings)
    expect(before.code).toBe(0)
    expect(before.stdout).toMatch(/mqtts 8883 with client certificates, wss 9443 with client certificates/)
    expect(before.stdout).toContain('; clients show one that certs/ca.crt signed (no ca.crl)\n')
    await revoke(certs, [])
    const after = await damselfly(folder, ['check'], { ...settings, TLS_IDENTITY_AS_USERNAME: 'true' })
    expect(after.stdout).toContain(
      '; clients show one that certs/ca.crt signed and certs/ca.crl does not revoke, and its name is their login\n',
    )
  })
})

describe('The files for client certificates', () => {
  it('are refused without a ca.crt, which is not needed otherwise', async () => {
    const folder = await temporaryFolder()
    await ensureCertificates(folder)
    for (const name of ['ca.crt', 'ca.key']) await rm(join(folder, name))
    expect(await ensureCertificates(folder)).toMatchObject({ clients: undefined })
    const asking = ensureCertificates(folder, { clients: 'required' })
    await expect(asking).rejects.toMatchObject(wrongFile)
    await expect(asking).rejects.toThrow(/ca\.crt is missing.*TLS_REQUIRE_CLIENT_CERT=false/)
  })

  it.each([
    ['is empty', () => '', /ca\.crl is no CRL in PEM/],
    ['is cut off', (crl: string) => crl.slice(0, -40), /ca\.crl is no CRL in PEM/],
    ['is damaged', (crl: string) => crl.replace(/\n[^-]{20}/, '\n'), /ca\.crl is no CRL in PEM/],
    ['is a certificate', (_: string, ca: string) => ca, /ca\.crl is no CRL in PEM/],
  ])('are refused when ca.crl %s', async (_what, spoil, message) => {
    const folder = await temporaryFolder()
    await ensureCertificates(folder)
    await revoke(folder, [])
    const crl = await readFile(join(folder, 'ca.crl'), 'utf8')
    await writeFile(join(folder, 'ca.crl'), spoil(crl, await readFile(join(folder, 'ca.crt'), 'utf8')))
    const asking = ensureCertificates(folder, { clients: 'required' })
    await expect(asking).rejects.toMatchObject(wrongFile)
    await expect(asking).rejects.toThrow(message)
    await ensureCertificates(folder) // where clients need no certificate, it is without effect
  })

  it.each(['/CN=Another CA', undefined])('are refused when ca.crl is of another CA: %s', async (subject) => {
    const folder = await temporaryFolder()
    await ensureCertificates(folder)
    const other = join(folder, 'other')
    await mkdir(other)
    const named = await openssl(
      'x509',
      '-in',
      join(folder, 'ca.crt'),
      '-noout',
      '-subject',
      '-nameopt',
      'compat',
    )
    // The second case: a CA of the same name, with another key.
    await makeAuthority(other, subject ?? `/${named.replace(/^subject=\s*\/?/, '').trim()}`)
    await revoke(other, [])
    await writeFile(join(folder, 'ca.crl'), await readFile(join(other, 'ca.crl')))
    const asking = ensureCertificates(folder, { clients: 'required' })
    await expect(asking).rejects.toThrow(/ca\.crl was not signed by ca\.crt/)
  })

  it('may hold several CAs and their CRLs; a CA without one is warned of', async () => {
    const [folder, other] = [await temporaryFolder(), await temporaryFolder()]
    await ensureCertificates(folder)
    await makeAuthority(other)
    const theirs = await issueClient(other, 'theirs')
    const [good, bad] = [await issueClient(folder, 'good'), await issueClient(folder, 'bad')]
    await revoke(folder, [bad])
    await revoke(other, [])
    const read = (where: string, name: string) => readFile(join(where, name), 'utf8')
    await writeFile(join(folder, 'ca.crt'), `${await read(folder, 'ca.crt')}${await read(other, 'ca.crt')}`)
    const { warnings } = await ensureCertificates(folder, { clients: 'required' })
    expect(warnings).toEqual([expect.stringMatching(/ca\.crl has no CRL of CN=Another CA/)])
    await writeFile(
      join(folder, 'ca.crl'),
      `Text around it\n${await read(other, 'ca.crl')}\n${await read(folder, 'ca.crl')}`,
    )
    const { mqtts, peers, certificates } = await startSecureListeners(folder, 'required')
    expect(certificates.warnings).toEqual([])
    for (const client of [good, theirs, bad]) {
      const socket = await handshake(mqtts, await trusting(folder, client))
      if (client === bad) await ended(socket)
      else await once(socket, 'session')
    }
    expect(peers.map(({ certificate }) => certificate?.name)).toEqual(['good', 'theirs'])
  })

  it('may revoke thousands, of any serial number', async () => {
    const folder = await temporaryFolder()
    await ensureCertificates(folder)
    const serials = [
      '0F',
      '7FAA',
      'F0AA',
      ...Array.from({ length: 5000 }, (_, index) => `${100_000 + index}`),
    ]
    const index = serials.map((serial) => `R\t491231235959Z\t250101000000Z\t${serial}\tunknown\t/CN=x\n`)
    await writeFile(join(folder, 'revoked.txt'), index.join(''))
    await revoke(folder, [])
    const { clients } = await ensureCertificates(folder, { clients: 'required' })
    for (const serial of [...serials, 'F', 'f0aa']) expect(clients?.isRevoked(serial), serial).toBe(true)
    for (const serial of ['0E', 'AA', 'F0', '99999', '105000']) expect(clients?.isRevoked(serial)).toBe(false)
  })

  it('come with a warning when the CRL is about to expire, or its time has not come', async () => {
    const folder = await temporaryFolder()
    await ensureCertificates(folder)
    await revoke(folder, [], ['-crldays', '6'])
    const read = async (now: Date) =>
      (await ensureCertificates(folder, { clients: 'required', now })).warnings
    expect(await read(new Date())).toEqual([expect.stringMatching(/ca\.crl expires on \d{4}-\d\d-\d\d/)])
    expect(await read(new Date(Date.now() - 3_600_000))).toContainEqual(
      expect.stringMatching(/ca\.crl is valid only from/),
    )
    await revoke(folder, [], ['-crldays', '30'])
    expect(await read(new Date())).toEqual([])
  })
})

describe('What the broker is told of a client', () => {
  it.each(['required', 'identity'] as const)('is its name and serial number: %s', async (use) => {
    const { folder, client } = await folderWithClient()
    const several = await issueClient(folder, 'several', '/O=Farm/CN=первый/CN=second')
    const nameless = await issueClient(folder, 'nameless', '/O=Farm')
    const { mqtts, wss, peers } = await startSecureListeners(folder, use)
    const serialOf = async ({ cert }: ClientFiles) =>
      (await openssl('x509', '-in', cert, '-noout', '-serial')).trim().replace('serial=', '')
    const isIdentity = use === 'identity'
    for (const [shown, name] of [
      [client, 'device-1'],
      [several, 'первый'],
      [nameless, undefined],
    ] as const) {
      const certificate = { name, isIdentity, serialNumber: await serialOf(shown) }
      const options = await trusting(folder, shown)
      const mqtt = await connectAsync(`mqtts://localhost:${mqtts}`, options)
      await mqtt.endAsync()
      await publishOverWss(wss, 'a', options)
      expect(peers.slice(-2)).toEqual([
        { transport: 'tls', address: '127.0.0.1', certificate },
        { transport: 'wss', address: '127.0.0.1', certificate },
      ])
    }
  })

  it('is nothing where no certificate is asked for, also when one is there to be shown', async () => {
    const { folder, client } = await folderWithClient()
    const { wss, peers } = await startSecureListeners(folder, 'none')
    await publishOverWss(wss, 'a', await trusting(folder, client))
    expect(peers).toEqual([{ transport: 'wss', address: '127.0.0.1' }])
  })

  it.each([
    ['device-1', 'device-1'],
    [['first', 'second'], 'first'],
    [['', 'second'], undefined],
    ['admin\0.example', undefined],
    ['', undefined],
    [[], undefined],
    [undefined, undefined],
  ])('has of the common name %j the name %j', (shown, name) => {
    expect(commonName(shown)).toBe(name)
  })
})
