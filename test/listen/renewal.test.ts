import { once } from 'node:events'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import { connectAsync, type MqttClient } from 'mqtt'
import { describe, expect, it, onTestFinished } from 'vitest'
import { ensureCertificates, reloadCertificates, renewServerCertificate } from '#src/listen/certificates.js'
import { issueClient, revoke } from '../support/openssl.js'
import { ended, handshake, startSecureListeners, trusting } from '../support/secure-listeners.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const wrongFile = { name: 'ConfigError', code: 'CERTIFICATE_FILE' }

async function newFolder(): Promise<string> {
  const folder = await temporaryFolder()
  await ensureCertificates(folder)
  return folder
}

async function open(url: string, options: object): Promise<MqttClient> {
  const client = await connectAsync(url, { reconnectPeriod: 0, ...options }, false)
  onTestFinished(() => client.endAsync(true))
  return client
}

const fingerprintOf = (socket: TLSSocket): string => socket.getPeerCertificate().fingerprint256

/** Replaces a file of `folder` by that of another folder. */
async function copy(name: string, from: string, folder: string): Promise<void> {
  await writeFile(join(folder, name), await readFile(join(from, name)))
}

describe('A listener that gets new certificates', () => {
  it.each(['none', 'required'] as const)(
    'serves them to new clients and keeps those that are connected: client certificates %s',
    async (use) => {
      const folder = await newFolder()
      const client = use === 'none' ? undefined : await issueClient(folder, 'device-1')
      const options = await trusting(folder, client)
      const listeners = await startSecureListeners(folder, use)
      const { mqtts, wss, certificates: old } = listeners
      const [overTls, overWss] = [`mqtts://localhost:${mqtts}`, `wss://localhost:${wss}`]
      const connected = [await open(overTls, options), await open(overWss, options)]
      const fingerprints = () =>
        Promise.all([mqtts, wss].map(async (port) => fingerprintOf(await handshake(port, options))))
      expect(await fingerprints()).toEqual([old.fingerprint, old.fingerprint])

      await renewServerCertificate(folder)
      const renewed = await reloadCertificates(folder, old)
      expect(renewed.fingerprint).not.toBe(old.fingerprint)
      listeners.renew(renewed)
      expect(await fingerprints()).toEqual([renewed.fingerprint, renewed.fingerprint])
      const late = await open(overTls, options)
      for (const one of [...connected, late]) {
        expect(one.connected).toBe(true)
        await one.subscribeAsync('news')
        const arrived = new Promise((resolve) => one.once('message', resolve))
        await late.publishAsync('news', 'x', { qos: 1 })
        expect(await arrived).toBe('news')
      }
    },
  )

  it('takes both files of a pair from another CA, also when one came before the other', async () => {
    const [folder, other] = [await newFolder(), await newFolder()]
    const listeners = await startSecureListeners(folder, 'none')
    const { mqtts, certificates: old } = listeners
    await copy('server.crt', other, folder)
    await expect(reloadCertificates(folder, old)).rejects.toMatchObject(wrongFile)
    await copy('server.key', other, folder)
    await copy('ca.crt', other, folder)
    listeners.renew(await reloadCertificates(folder, old))
    const socket = await handshake(mqtts, await trusting(other))
    expect(fingerprintOf(socket)).toBe((await ensureCertificates(other)).fingerprint)
  })

  it('refuses who is revoked by them, over mqtts and wss, and no one else', async () => {
    const folder = await newFolder()
    const [bad, good] = [await issueClient(folder, 'bad'), await issueClient(folder, 'good')]
    const listeners = await startSecureListeners(folder, 'required')
    const { mqtts, wss, peers, certificates: old } = listeners
    const urls = [`mqtts://localhost:${mqtts}`, `wss://localhost:${wss}`]
    for (const url of urls) await open(url, await trusting(folder, bad))
    await revoke(folder, [bad])
    const renewed = await reloadCertificates(folder, old)
    const isRevoked = ({ certificate }: (typeof peers)[number]) =>
      renewed.clients?.isRevoked(certificate?.serialNumber ?? '')
    listeners.renew(renewed)
    for (const url of urls) await expect(open(url, await trusting(folder, bad))).rejects.toThrow()
    for (const url of urls) await open(url, await trusting(folder, good))
    expect(peers.map((peer) => [peer.certificate?.name, isRevoked(peer)])).toEqual([
      ['bad', true],
      ['bad', true],
      ['good', false],
      ['good', false],
    ])
  })

  it('refuses who was revoked between the handshake and the upgrade to WebSocket', async () => {
    const folder = await newFolder()
    const bad = await issueClient(folder, 'bad')
    const listeners = await startSecureListeners(folder, 'required')
    const socket = await handshake(listeners.wss, await trusting(folder, bad))
    await once(socket, 'session') // the server's side of the handshake is over
    await revoke(folder, [bad])
    listeners.renew(await reloadCertificates(folder, listeners.certificates))
    socket.write(
      'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
        'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n' +
        'Sec-WebSocket-Protocol: mqtt\r\n\r\n',
    )
    await ended(socket)
    expect(listeners.peers).toEqual([])
  })

  it.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'never resumes a %s session of a client with a certificate, so that it is checked each time',
    async (maxVersion) => {
      const folder = await newFolder()
      const bad = await issueClient(folder, 'bad')
      const listeners = await startSecureListeners(folder, 'required')
      for (const port of [listeners.mqtts, listeners.wss]) {
        const options = { ...(await trusting(folder, bad)), maxVersion }
        const first = await handshake(port, options)
        const session = first.getSession() ?? Buffer.of()
        const [ticket = session] = maxVersion === 'TLSv1.3' ? await once(first, 'session') : []
        const again = await handshake(port, { ...options, session: ticket })
        expect(again.isSessionReused()).toBe(false)
      }
      // The same does resume where no certificate is asked for; else this test would prove nothing.
      const { mqtts } = await startSecureListeners(folder, 'none')
      const first = await handshake(mqtts, { ...(await trusting(folder)), maxVersion })
      const [session] = maxVersion === 'TLSv1.3' ? await once(first, 'session') : [first.getSession()]
      const again = await handshake(mqtts, { ...(await trusting(folder)), maxVersion, session })
      expect(again.isSessionReused()).toBe(true)
    },
  )

  it.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'lets no %s session of before in whose certificate they revoke',
    async (maxVersion) => {
      const folder = await newFolder()
      const bad = await issueClient(folder, 'bad')
      const listeners = await startSecureListeners(folder, 'required')
      const options = { ...(await trusting(folder, bad)), maxVersion }
      const first = await handshake(listeners.mqtts, options)
      const [session] = maxVersion === 'TLSv1.3' ? await once(first, 'session') : [first.getSession()]
      await revoke(folder, [bad])
      listeners.renew(await reloadCertificates(folder, listeners.certificates))
      // In TLS 1.2 the refusal comes before the client has finished.
      const again = await handshake(listeners.mqtts, { ...options, session }).catch(() => undefined)
      if (again !== undefined) await ended(again)
      expect(listeners.peers).toHaveLength(1)
    },
  )

  it('does not let them change whether clients have to show one', async () => {
    const folder = await newFolder()
    const listeners = await startSecureListeners(folder, 'required')
    const without = await ensureCertificates(folder)
    expect(() => listeners.renew(without)).toThrow(/cannot change/)
    const socket = await handshake(listeners.mqtts, await trusting(folder))
    await ended(socket)
    expect(listeners.peers).toEqual([])
  })
})

describe('Certificates that are read again', () => {
  it.each([
    ['server.crt is gone', 'server.crt', undefined],
    ['server.key is gone', 'server.key', undefined],
    ['ca.crt is gone', 'ca.crt', undefined],
    ['ca.crl is gone, which would let in whom it revoked', 'ca.crl', undefined],
    ['server.crt is empty', 'server.crt', ''],
    ['server.key is nonsense', 'server.key', 'nonsense'],
    ['ca.crt is nonsense', 'ca.crt', 'nonsense'],
    ['ca.crl is empty', 'ca.crl', ''],
  ])('are refused when %s, and the old ones stay', async (_what, name, text) => {
    const folder = await newFolder()
    const [good, bad] = [await issueClient(folder, 'good'), await issueClient(folder, 'bad')]
    await revoke(folder, [bad])
    const { certificates, mqtts, peers } = await startSecureListeners(folder, 'identity')
    const [options, revoked] = [await trusting(folder, good), await trusting(folder, bad)]
    if (text === undefined) await rm(join(folder, name))
    else await writeFile(join(folder, name), text)
    await expect(reloadCertificates(folder, certificates)).rejects.toMatchObject(wrongFile)
    await expect(reloadCertificates(folder, certificates)).rejects.toThrow(join(folder, name))
    await expect(open(`mqtts://localhost:${mqtts}`, revoked)).rejects.toThrow()
    await open(`mqtts://localhost:${mqtts}`, options)
    expect(peers.map(({ certificate }) => certificate?.name)).toEqual(['good'])
    expect(fingerprintOf(await handshake(mqtts, options))).toBe(certificates.fingerprint)
  })

  it('are not made when they are gone', async () => {
    const folder = await newFolder()
    const certificates = await ensureCertificates(folder)
    for (const name of ['server.crt', 'server.key']) await rm(join(folder, name))
    await expect(reloadCertificates(folder, certificates)).rejects.toThrow(
      /server\.crt is missing; put it back/,
    )
  })

  it('ask of clients what those in force ask', async () => {
    const folder = await newFolder()
    for (const clients of ['none', 'required', 'identity'] as const) {
      const inForce = await ensureCertificates(folder, { clients })
      const { clients: trust } = await reloadCertificates(folder, inForce)
      expect(trust?.isIdentity).toBe({ none: undefined, required: false, identity: true }[clients])
    }
  })
})
