import { appendFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { createClient } from '@libsql/client'
import type { IPublishPacket, Packet } from 'mqtt-packet'
import { describe, expect, it } from 'vitest'
import { addDevice, shownValue } from '../support/command.js'
import { type ClientFiles, issueClient } from '../support/openssl.js'
import { connectRaw } from '../support/raw-client.js'
import { type Outcome, run } from '../support/run.js'
import { ADMINISTRATOR, type Server, startServer } from '../support/server.js'

const NOT_AUTHORIZED = 5

const identities = {
  TLS_REQUIRE_CLIENT_CERT: 'true',
  TLS_IDENTITY_AS_USERNAME: 'true',
  MQTTS_PORT: '0',
}

/** Publishes over TLS as whom the certificate names, whatever else is said. */
function publish(server: Server, client: ClientFiles, topic: string, ...more: string[]): Promise<Outcome> {
  return run('mosquitto_pub', [
    ...[
      '-h',
      'localhost',
      '-p',
      `${server.port('mqtts')}`,
      '--cafile',
      join(server.folder, 'certs', 'ca.crt'),
    ],
    ...[
      '--cert',
      client.cert,
      '--key',
      client.key,
      '-q',
      '1',
      '-t',
      topic,
      '-m',
      '{"temperature":21.5}',
      ...more,
    ],
  ])
}

const isPublish = (packet: Packet): packet is IPublishPacket => packet.cmd === 'publish'
const isLast = (packet: Packet): packet is IPublishPacket => isPublish(packet) && packet.topic === 'seen/last'

/** The topics below `seen` that the administrator is sent while `work` runs. */
async function seenDuring(server: Server, work: () => Promise<unknown>): Promise<readonly string[]> {
  const { username, password } = ADMINISTRATOR
  const client = await connectRaw(server.port('mqtt'), { username, password: Buffer.from(password) })
  client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'seen/#', qos: 1 }] })
  await client.count('suback', 1)
  await work()
  client.send({
    cmd: 'publish',
    topic: 'seen/last',
    payload: '',
    qos: 1,
    messageId: 2,
    retain: false,
    dup: false,
  })
  await client.next(isLast)
  return client.received.filter(isPublish).map(({ topic }) => topic)
}

const issue = (server: Server, name: string, subject?: string): Promise<ClientFiles> =>
  issueClient(join(server.folder, 'certs'), name, subject)

describe('With TLS_IDENTITY_AS_USERNAME', () => {
  it('a device is the one that its certificate names, and may use its own topics alone', async () => {
    const server = await startServer(identities)
    const [device, other] = [await addDevice(server.folder), await addDevice(server.folder)]
    const client = await issue(server, device.uuid)
    const wrongLogin = ['-u', ADMINISTRATOR.username, '-P', 'wrong']
    expect(await publish(server, client, `devices/${device.uuid}/data`, ...wrongLogin)).toMatchObject({
      code: 0,
    })
    expect(await publish(server, client, `devices/${other.uuid}/data`)).toMatchObject({ code: 0 })
    expect(await shownValue(server.folder, device.uuid, 'temperature')).toBe('21.5')
    expect(await shownValue(server.folder, other.uuid, 'temperature')).toBeUndefined()
    await server.logged((line) => line.msg === 'a publish was denied' && line['user'] === device.uuid)
  })

  it('a user has what acl.conf allows, of passwd or not', async () => {
    const server = await startServer(identities)
    const acl = join(server.folder, 'config', 'acl.conf')
    await appendFile(acl, 'user gate keeper\ntopic write seen/gate\n')
    await server.logged(({ msg }) => msg.startsWith('read again'))
    const gate = await issue(server, 'gate', '/CN=gate keeper')
    const administrator = await issue(server, 'administrator', `/CN=${ADMINISTRATOR.username}`)
    const seen = await seenDuring(server, async () => {
      await publish(server, gate, 'seen/gate')
      await publish(server, gate, 'seen/other')
      await publish(server, administrator, 'seen/administrator')
    })
    expect(seen).toEqual(['seen/gate', 'seen/administrator', 'seen/last'])
  })

  it('a disabled device, and a certificate without a name, are refused', async () => {
    const server = await startServer(identities)
    const device = await addDevice(server.folder)
    const path = join(server.folder, 'data', 'damselfly.db')
    const database = createClient({ url: pathToFileURL(path).href, timeout: 5000 })
    await database.execute('UPDATE device_main SET is_active = 0')
    database.close()
    const disabled = await issue(server, device.uuid)
    expect((await publish(server, disabled, `devices/${device.uuid}/data`)).code).toBe(NOT_AUTHORIZED)
    await server.logged((line) => line['reason'] === 'the device is disabled')
    const nameless = await issue(server, 'nameless', '/O=nobody')
    expect((await publish(server, nameless, 'seen/x')).code).toBe(NOT_AUTHORIZED)
    await server.logged((line) => line['reason'] === 'no name in the certificate')
  })
})
