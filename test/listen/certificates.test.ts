import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { hostname, networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { createServer, type Server } from 'node:tls'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type Certificates, ensureCertificates, renewServerCertificate } from '#src/listen/certificates.js'
import { openssl } from '../support/openssl.js'
import { run } from '../support/run.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const wrongFile = { name: 'ConfigError', code: 'CERTIFICATE_FILE' }
const dayMs = 86_400_000
const lanAddresses = Object.values(networkInterfaces())
  .flatMap((list) => list ?? [])
  .filter(({ internal, family }) => !internal && family === 'IPv4')
  .map(({ address }) => address)

/** Whether openssl, at its strictest, takes the server's certificate for one of this CA's for this name. */
function verify(folder: string, ...name: string[]): Promise<string> {
  const [ca, cert] = [join(folder, 'ca.crt'), join(folder, 'server.crt')]
  return openssl('verify', '-x509_strict', '-purpose', 'sslserver', ...name, '-CAfile', ca, cert)
}

async function contents(folder: string): Promise<Record<string, string>> {
  const names = await readdir(folder)
  return Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, await readFile(join(folder, name), 'utf8')])),
  )
}

async function serve({ cert, key }: Certificates): Promise<{ server: Server; port: string }> {
  const server = createServer({ cert, key }).listen(0, '127.0.0.1')
  onTestFinished(() => {
    server.close()
  })
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return { server, port: `${address.port}` }
}

/** A CA of somebody else's, made with openssl, whose name and key type are not those of ours. */
async function foreignAuthority(folder: string, key: readonly string[]): Promise<void> {
  await openssl(
    ...['req', '-x509', '-newkey', ...key, '-noenc', '-days', '30', '-subj', '/C=CN/O=Ærø 公司/CN=Own CA'],
    ...['-utf8', '-keyout', join(folder, 'ca.key'), '-out', join(folder, 'ca.crt')],
    ...['-addext', 'keyUsage=critical,keyCertSign,cRLSign'],
  )
}

describe('the certificates of an empty folder', () => {
  it('are made: a CA and a server, whose keys only the owner can read', async () => {
    const folder = join(await temporaryFolder(), 'certs')
    const made = await ensureCertificates(folder)
    const paths = ['ca.key', 'ca.crt', 'server.key', 'server.crt'].map((name) => join(folder, name))
    expect(made.madeFiles).toEqual(paths)
    expect((await readdir(folder)).sort()).toEqual(['ca.crt', 'ca.key', 'server.crt', 'server.key'])
    for (const path of paths) {
      expect((await stat(path)).mode & 0o777).toBe(path.endsWith('.key') ? 0o600 : 0o644)
    }
    expect(made.caPath).toBe(join(folder, 'ca.crt'))
    expect(made.warnings).toEqual([])
    expect(made.names).toEqual(
      expect.arrayContaining(['localhost', hostname().toLowerCase(), '127.0.0.1', '::1', ...lanAddresses]),
    )
    expect(await openssl('x509', '-in', made.certPath, '-noout', '-fingerprint', '-sha256')).toContain(
      made.fingerprint,
    )
  })

  it('pass openssl at its strictest, by name and by address, and fail for another name', async () => {
    const folder = await temporaryFolder()
    await ensureCertificates(folder, { names: ['broker.example', '192.0.2.1'] })
    for (const name of ['localhost', 'broker.example']) await verify(folder, '-verify_hostname', name)
    for (const address of ['127.0.0.1', '::1', '192.0.2.1']) await verify(folder, '-verify_ip', address)
    await expect(verify(folder, '-verify_hostname', 'other.example')).rejects.toThrow(/mismatch/)
  })

  it('have the extensions and the times of their kind', async () => {
    const folder = await temporaryFolder()
    await ensureCertificates(folder)
    const text = (name: string) => openssl('x509', '-in', join(folder, name), '-noout', '-text')
    const ca = await text('ca.crt')
    expect(ca).toMatch(/Basic Constraints: critical\s+CA:TRUE, pathlen:0/)
    expect(ca).toMatch(/Key Usage: critical\s+Certificate Sign, CRL Sign\n/)
    const server = await text('server.crt')
    expect(server).toMatch(/Basic Constraints: critical\s+CA:FALSE/)
    expect(server).toMatch(/Extended Key Usage: \s+TLS Web Server Authentication\n/)
    for (const certificate of [ca, server]) {
      expect(certificate).toContain('ecdsa-with-SHA256')
      expect(certificate).toContain('prime256v1')
      expect(certificate).toMatch(/Subject Key Identifier/)
      expect(certificate).toMatch(/Authority Key Identifier/)
    }
    expect(await daysOf(join(folder, 'ca.crt'))).toBe(3650)
    expect(await daysOf(join(folder, 'server.crt'))).toBeLessThan(825)
  })

  it('let openssl s_client and mosquitto_pub in over TLS', async () => {
    const made = await ensureCertificates(await temporaryFolder())
    const { server, port } = await serve(made)
    // An MQTT CONNACK for the first bytes of whoever speaks; enough for mosquitto_pub at QoS 0.
    server.on('secureConnection', (socket) => {
      socket.once('data', () => socket.write(Buffer.from([0x20, 2, 0, 0])))
      socket.on('error', () => undefined)
    })
    const trust = ['-CAfile', made.caPath ?? '', '-verify_return_error', '-verify_hostname', 'localhost']
    const client = await openssl('s_client', '-connect', `127.0.0.1:${port}`, ...trust)
    expect(client).toContain('Verify return code: 0 (ok)')
    const connect = ['-h', '127.0.0.1', '-p', port, '--cafile', made.caPath ?? '']
    const { code, stderr } = await run('mosquitto_pub', [...connect, '-t', 'a', '-m', 'b'])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  })

  it('are finished after a start that was cut off behind the first file', async () => {
    const folder = await temporaryFolder()
    await ensureCertificates(folder)
    const key = await readFile(join(folder, 'ca.key'), 'utf8')
    for (const name of ['ca.crt', 'server.crt', 'server.key']) await rm(join(folder, name))
    await ensureCertificates(folder)
    await verify(folder)
    expect(await readFile(join(folder, 'ca.key'), 'utf8')).toBe(key)
  })
})

describe('certificates that exist', () => {
  it('are used as they are', async () => {
    const folder = await temporaryFolder()
    await ensureCertificates(folder)
    const before = await contents(folder)
    const again = await ensureCertificates(folder)
    expect(again.madeFiles).toEqual([])
    expect(again.warnings).toEqual([])
    expect(await contents(folder)).toEqual(before)
    expect(again).toMatchObject({ cert: before['server.crt'], key: before['server.key'] })
  })

  it('need no CA', async () => {
    const folder = await temporaryFolder()
    await ensureCertificates(folder)
    await rm(join(folder, 'ca.crt'))
    await rm(join(folder, 'ca.key'))
    expect(await ensureCertificates(folder)).toMatchObject({ caPath: undefined, madeFiles: [], warnings: [] })
  })

  it.each([
    ['P-256', ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256']],
    ['P-384', ['ec', '-pkeyopt', 'ec_paramgen_curve:P-384']],
    ['RSA', ['rsa:2048']],
  ])('include a CA of your own (%s), which signs the server', async (_what, key) => {
    const folder = await temporaryFolder()
    await foreignAuthority(folder, key)
    const ca = await readFile(join(folder, 'ca.crt'), 'utf8')
    const { madeFiles, expires, warnings } = await ensureCertificates(folder)
    expect(madeFiles).toEqual([join(folder, 'server.key'), join(folder, 'server.crt')])
    expect(await readFile(join(folder, 'ca.crt'), 'utf8')).toBe(ca)
    await verify(folder)
    expect(expires).toEqual(new Date(new X509Certificate(ca).validTo))
    expect(warnings).toHaveLength(2)
  })

  it('are refused for a CA that cannot sign', async () => {
    const folder = await temporaryFolder()
    await foreignAuthority(folder, ['ed25519'])
    await expect(ensureCertificates(folder)).rejects.toMatchObject(wrongFile)
    await expect(ensureCertificates(folder)).rejects.toThrow(/ca\.key cannot sign/)
    expect((await readdir(folder)).sort()).toEqual(['ca.crt', 'ca.key'])
  })

  it.each([
    ['server.key is missing', ['server.key'], /server\.key is missing/],
    ['server.crt is missing', ['server.crt'], /server\.crt is missing/],
    ['ca.key is missing where it is needed', ['server.crt', 'server.key', 'ca.key'], /ca\.key is missing/],
  ])('are refused when %s, and nothing is made', async (_what, missing, message) => {
    const folder = await temporaryFolder()
    await ensureCertificates(folder)
    for (const name of missing) await rm(join(folder, name))
    const before = await contents(folder)
    await expect(ensureCertificates(folder)).rejects.toMatchObject(wrongFile)
    await expect(ensureCertificates(folder)).rejects.toThrow(message)
    expect(await contents(folder)).toEqual(before)
  })

  it.each(['ca.crt', 'server.crt', 'server.key'])(
    'are refused when %s is not what it should be',
    async (name) => {
      const folder = await temporaryFolder()
      await ensureCertificates(folder)
      for (const text of ['', 'nonsense', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n']) {
        await writeFile(join(folder, name), text)
        await expect(ensureCertificates(folder)).rejects.toMatchObject(wrongFile)
        await expect(ensureCertificates(folder)).rejects.toThrow(`${join(folder, name)} is no `)
      }
    },
  )

  it('are refused when the key is another one', async () => {
    const [folder, other] = [await temporaryFolder(), await temporaryFolder()]
    await ensureCertificates(folder)
    await ensureCertificates(other)
    await writeFile(join(folder, 'server.key'), await readFile(join(other, 'server.key')))
    await expect(ensureCertificates(folder)).rejects.toMatchObject(wrongFile)
    await expect(ensureCertificates(folder)).rejects.toThrow(/server\.key is not the key of server\.crt/)
  })

  it('are refused when the key is encrypted', async () => {
    const folder = await temporaryFolder()
    const { keyPath } = await ensureCertificates(folder)
    const encrypted = await openssl('pkey', '-in', keyPath, '-aes256', '-passout', 'pass:x')
    await writeFile(keyPath, encrypted)
    await expect(ensureCertificates(folder)).rejects.toThrow(/server\.key is no unencrypted private key/)
  })

  it.each([
    ['it has expired', 900, /server\.crt expired on/],
    ['it is about to expire', 800, /server\.crt expires on/],
    ['its time has not come', -30, /server\.crt is valid only from/],
  ])('come with a warning when %s', async (_what, ageDays, warning) => {
    const folder = await temporaryFolder()
    await ensureCertificates(folder, { now: new Date(Date.now() - ageDays * dayMs) })
    expect((await ensureCertificates(folder)).warnings[0]).toMatch(warning)
  })

  it('come with a warning when the CA beside them is not theirs', async () => {
    const [folder, other] = [await temporaryFolder(), await temporaryFolder()]
    await ensureCertificates(folder)
    const { caPath = '' } = await ensureCertificates(other)
    await writeFile(join(folder, 'ca.crt'), await readFile(caPath))
    const { warnings } = await ensureCertificates(folder)
    expect(warnings).toEqual([expect.stringContaining('was not signed by ca.crt')])
    await expect(renewServerCertificate(folder)).rejects.toMatchObject(wrongFile)
  })
})

describe('a renewal', () => {
  it('changes the certificate alone, and keeps its names and its key', async () => {
    const folder = await temporaryFolder()
    const old = await ensureCertificates(folder, {
      names: ['broker.example'],
      now: new Date(Date.now() - 900 * dayMs),
    })
    const before = await contents(folder)
    const renewed = await renewServerCertificate(folder, { names: ['192.0.2.7', '2001:DB8::7'] })
    expect(renewed.madeFiles).toEqual([join(folder, 'server.crt')])
    expect(renewed.names).toEqual([...old.names, '192.0.2.7', '2001:db8::7'])
    expect(renewed.warnings).toEqual([])
    expect(renewed.fingerprint).not.toBe(old.fingerprint)
    expect(await contents(folder)).toEqual({ ...before, 'server.crt': renewed.cert })
    await verify(folder, '-verify_hostname', 'broker.example')
  })

  it('makes everything where there is nothing', async () => {
    expect((await renewServerCertificate(await temporaryFolder())).madeFiles).toHaveLength(4)
  })

  it.each(['ca.key', 'ca.crt'])('is refused without %s', async (name) => {
    const folder = await temporaryFolder()
    await ensureCertificates(folder)
    await rm(join(folder, name))
    const before = await contents(folder)
    await expect(renewServerCertificate(folder)).rejects.toMatchObject(wrongFile)
    expect(await contents(folder)).toEqual(before)
  })

  it('is refused when the CA has expired', async () => {
    const folder = await temporaryFolder()
    const { warnings } = await ensureCertificates(folder, { now: new Date(Date.now() - 3700 * dayMs) })
    expect(warnings).toEqual([])
    await expect(renewServerCertificate(folder)).rejects.toThrow(/ca\.crt has expired/)
  })
})

async function daysOf(path: string): Promise<number> {
  const { validFrom, validTo } = new X509Certificate(await readFile(path))
  return (new Date(validTo).getTime() - new Date(validFrom).getTime()) / dayMs
}
