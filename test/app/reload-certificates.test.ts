import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { connectAsync, type MqttClient } from 'mqtt'
import { describe, expect, it, onTestFinished } from 'vitest'
import { ensureCertificates } from '#src/listen/certificates.js'
import { issueClient, revoke } from '../support/openssl.js'
import { readAfter } from '../support/rules.js'
import { handshake, trusting } from '../support/secure-listeners.js'
import { ADMINISTRATOR, type Server, startServer } from '../support/server.js'
import { temporaryFolder } from '../support/temporary-folder.js'

async function open(url: string, options: object): Promise<MqttClient> {
  const client = await connectAsync(url, { ...ADMINISTRATOR, reconnectPeriod: 0, ...options }, false)
  onTestFinished(() => client.endAsync(true))
  return client
}

const fingerprintOf = async (server: Server, folder: string): Promise<string> => {
  const socket = await handshake(server.port('mqtts'), await trusting(folder))
  return socket.getPeerCertificate().fingerprint256
}

const copy = async (name: string, from: string, to: string): Promise<void> =>
  writeFile(join(to, name), await readFile(join(from, name)))

describe('A running server', () => {
  it('serves a new pair once both files are there, and open connections stay', async () => {
    const server = await startServer({ MQTTS_PORT: '0' })
    const [folder, other] = [join(server.folder, 'certs'), await temporaryFolder()]
    const [old, renewed] = [await ensureCertificates(folder), await ensureCertificates(other)]
    const url = `mqtts://localhost:${server.port('mqtts')}`
    const client = await open(url, await trusting(folder))
    expect(await fingerprintOf(server, folder)).toBe(old.fingerprint)

    const half = await readAfter(server, () => copy('server.crt', other, folder))
    expect(half.filter(({ level }) => level === 'error').map(({ msg }) => msg)).toEqual([
      expect.stringContaining('certs/server.key is not the key of server.crt'),
    ])
    expect(await fingerprintOf(server, folder)).toBe(old.fingerprint)

    await readAfter(server, () => copy('server.key', other, folder))
    expect(await fingerprintOf(server, other)).toBe(renewed.fingerprint)
    await open(url, await trusting(other))
    await client.publishAsync('a', 'b', { qos: 1 })
    expect(client.connected).toBe(true)
  })

  it('ends the connections of whoever a new ca.crl revokes, over mqtts and wss, and no others', async () => {
    const home = await temporaryFolder()
    const folder = join(home, 'certs')
    await ensureCertificates(folder)
    const [good, bad] = [await issueClient(folder, 'good'), await issueClient(folder, 'bad')]
    await revoke(folder, [])
    const environment = { MQTTS_PORT: '0', WSS_PORT: '0', TLS_REQUIRE_CLIENT_CERT: 'true' }
    const server = await startServer(environment, home)
    const urls = (['mqtts', 'wss'] as const).map((scheme) => `${scheme}://localhost:${server.port(scheme)}`)
    const connect = async (files: typeof good) => {
      const options = await trusting(folder, files)
      return Promise.all(urls.map((url) => open(url, options)))
    }
    const [staying, leaving] = [await connect(good), await connect(bad)]
    const left = leaving.map(
      (client) => new Promise<void>((resolve) => client.once('close', () => resolve())),
    )
    await readAfter(server, () => revoke(folder, [bad]))
    await Promise.all(left)
    for (const client of staying) await client.publishAsync('a', 'b', { qos: 1 })
    expect(staying.map(({ connected }) => connected)).toEqual([true, true])
    const options = await trusting(folder, bad)
    for (const url of urls) await expect(open(url, options)).rejects.toThrow()
    await connect(good)
  })
})
