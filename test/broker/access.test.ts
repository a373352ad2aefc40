import type { IPublishPacket, ISubackPacket, Packet } from 'mqtt-packet'
import { describe, expect, it } from 'vitest'
import { type AddedDevice, addDevice, damselfly, shownValue } from '../support/command.js'
import { connectRaw, type RawClient } from '../support/raw-client.js'
import { run } from '../support/run.js'
import { ADMINISTRATOR, type Server, startServer } from '../support/server.js'

const NOT_AUTHORIZED = 5
const REFUSED = 0x80

const isPublish = (packet: Packet): packet is IPublishPacket => packet.cmd === 'publish'
const isSuback = (packet: Packet): packet is ISubackPacket => packet.cmd === 'suback'

function publish(
  topic: string,
  messageId?: number,
  qos: 0 | 1 | 2 = messageId === undefined ? 0 : 1,
  payload = '{"temperature":21.5}',
  retain = false,
): Packet {
  const identifier = messageId === undefined ? {} : { messageId }
  return { cmd: 'publish', topic, payload, qos, retain, dup: false, ...identifier }
}

const subscribe = (messageId: number, ...filters: string[]): Packet => ({
  cmd: 'subscribe',
  messageId,
  subscriptions: filters.map((topic) => ({ topic, qos: 1 })),
})

const connectAdministrator = (server: Server): Promise<RawClient> =>
  connectRaw(server.port('mqtt'), { ...ADMINISTRATOR, password: Buffer.from(ADMINISTRATOR.password) })

const connectDevice = (
  server: Server,
  { uuid, deviceId, secret }: AddedDevice,
  more: Parameters<typeof connectRaw>[1] = {},
): Promise<RawClient> =>
  connectRaw(server.port('mqtt'), {
    clientId: uuid,
    username: deviceId,
    password: Buffer.from(secret),
    ...more,
  })

/** The topics of what a client has been sent up to and with `last`. */
async function topicsUntil(client: RawClient, last: string): Promise<readonly string[]> {
  await client.next((packet): packet is IPublishPacket => isPublish(packet) && packet.topic === last)
  return client.received.filter(isPublish).map(({ topic }) => topic)
}

async function granted(client: RawClient, ...filters: string[]) {
  client.send(subscribe(1, ...filters))
  return (await client.next(isSuback)).granted
}

const another = 'another-device'

describe('A device on a running server', () => {
  it('logs in by its device_id and by its uuid, and stores in its topics', async () => {
    const server = await startServer()
    const device = await addDevice(server.folder)
    for (const [index, username] of [device.deviceId, device.uuid].entries()) {
      const client = await connectDevice(server, device, { username })
      expect(client.connack.returnCode).toBe(0)
      const value = `2${index}.5`
      client.send(
        publish(`devices/${device.uuid}/heartbeat`, 1),
        publish(`device/${device.deviceId}/data`, 2, 1, `{"temperature":${value}}`),
      )
      await client.count('puback', 2)
      expect(await shownValue(server.folder, device.uuid, 'temperature')).toBe(value)
    }
  })

  it('is sent its own commands and no others, however wide its subscription', async () => {
    const server = await startServer()
    const device = await addDevice(server.folder)
    const administrator = await connectAdministrator(server)
    administrator.send(publish(`langchain/process/${another}`, 1, 1, 'x', true))
    await administrator.count('puback', 1)
    const client = await connectDevice(server, device)
    expect(await granted(client, 'devices/#', '#', 'langchain/+/+')).toEqual([1, 1, 1])
    const its = [
      `devices/${device.uuid}/control`,
      `device/${device.deviceId}/control`,
      'device/control',
      `langchain/process/${device.deviceId}`,
    ]
    const others = [
      `devices/${another}/control`,
      `devices/${device.uuid}/data`,
      `langchain/process/${another}`,
      'system/server/status',
    ]
    const last = `device/${device.uuid}/control`
    administrator.send(...[...others, ...its, last].map((topic, index) => publish(topic, 2 + index)))
    const seen = await topicsUntil(client, last)
    expect([...new Set(seen)].sort()).toEqual([...its, last].sort())
  })

  it('[MQTT-3.9.3-3] is answered 0x80 for a filter that could never bring it anything', async () => {
    const server = await startServer()
    const device = await addDevice(server.folder)
    const client = await connectDevice(server, device)
    const filters = [`devices/${another}/control`, `devices/${device.uuid}/control`, '$SYS/#', 'a/b', '#']
    expect(await granted(client, ...filters)).toEqual([REFUSED, 1, REFUSED, REFUSED, 1])
    const { stderr } = await run('mosquitto_sub', [
      ...['-h', '127.0.0.1', '-p', `${server.port('mqtt')}`, '-u', device.deviceId, '-P', device.secret],
      ...['-t', `devices/${another}/control`],
    ])
    expect(stderr).toContain('All subscription requests were denied')
  })

  it('[MQTT-3.3.5-2] has denied publishes acknowledged, dropped and logged once, and stays connected', async () => {
    const server = await startServer()
    const device = await addDevice(server.folder)
    const administrator = await connectAdministrator(server)
    await granted(administrator, 'devices/#')
    const client = await connectDevice(server, device)
    const topic = `devices/${another}/data`
    const own = `devices/${device.uuid}/data`
    client.send(publish(topic), publish(topic, 1), publish(topic, 2, 2))
    expect(await client.count('puback', 1)).toMatchObject([{ messageId: 1 }])
    expect(await client.count('pubrec', 1)).toMatchObject([{ messageId: 2 }])
    client.send({ cmd: 'pubrel', messageId: 2 }, publish(topic, 2, 2))
    await client.count('pubcomp', 1)
    expect(await client.count('pubrec', 2)).toMatchObject([{ messageId: 2 }, { messageId: 2 }])
    client.send(publish(own, 3))
    await client.count('puback', 2)
    expect(await topicsUntil(administrator, own)).toEqual([own])
    const { stdout } = await damselfly(server.folder, ['device', 'list', '--json'])
    expect(JSON.parse(stdout)).toMatchObject([{ uuid: device.uuid, sensors: [{ sensor_value: '21.5' }] }])
    const lines = server.log.filter(({ msg }) => msg === 'a publish was denied')
    const rule = 'no rule allows it'
    expect(lines).toMatchObject([{ client: device.uuid, user: device.deviceId, topic, rule }])
  })

  it("has its will delivered on its own topic, and not on another device's", async () => {
    const server = await startServer()
    const device = await addDevice(server.folder)
    const administrator = await connectAdministrator(server)
    await granted(administrator, 'devices/#')
    const will = { payload: Buffer.from('{"temperature":1}'), qos: 1, retain: true } as const
    const topics = [`devices/${another}/data`, `devices/${device.uuid}/status`] as const
    for (const topic of topics) {
      const client = await connectDevice(server, device, { will: { ...will, topic } })
      client.socket.resetAndDestroy()
      if (topic === topics[0]) await server.logged(({ msg }) => msg === 'a publish was denied')
    }
    expect(await topicsUntil(administrator, topics[1])).toEqual([topics[1]])
    const late = await connectAdministrator(server)
    await granted(late, 'devices/#')
    expect(await topicsUntil(late, topics[1])).toEqual([topics[1]])
  })
})

describe('Nobody', () => {
  it('[MQTT-3.2.2-5] enters without the right credentials: CONNACK 5, and the connection is closed', async () => {
    const server = await startServer()
    const device = await addDevice(server.folder)
    const rotated = await damselfly(server.folder, ['device', 'rotate', device.uuid])
    expect(rotated.code).toBe(0)
    const wrong = Buffer.from('wrong password')
    const logins: Readonly<Record<string, Parameters<typeof connectRaw>[1]>> = {
      'a wrong password of the administrator': { username: ADMINISTRATOR.username, password: wrong },
      "a device's old secret": { username: device.uuid, password: Buffer.from(device.secret) },
      'an empty password': { username: ADMINISTRATOR.username, password: Buffer.alloc(0) },
      'a user without a password': { username: ADMINISTRATOR.username },
      'an unknown user': { username: 'nobody', password: wrong },
      'a name that JavaScript objects have': { username: '__proto__', password: wrong },
      'an empty user': { username: '', password: wrong },
      'no user': {},
    }
    for (const [what, login] of Object.entries(logins)) {
      const client = await connectRaw(server.port('mqtt'), login)
      expect(client.connack.returnCode, what).toBe(NOT_AUTHORIZED)
      await client.closed
    }
    const lines = server.log.filter(({ msg }) => msg === 'a login was refused')
    expect(lines.map(({ user }) => user)).toEqual([
      ADMINISTRATOR.username,
      device.uuid,
      'nobody',
      '__proto__',
      '',
      undefined,
    ])
    expect(JSON.stringify(server.log)).not.toContain('wrong password')
    expect(JSON.stringify(server.log)).not.toContain(device.secret)
  })

  it("sees the broker's own notices below $SYS or publishes there, the administrator included", async () => {
    const server = await startServer({ SYS_INTERVAL_S: '0' })
    const administrator = await connectAdministrator(server)
    expect(await granted(administrator, '$SYS/#', '$SYS/+/new/clients', 'last')).toEqual([1, 1, 1])
    const client = await connectAdministrator(server)
    await granted(client, 'a')
    client.send(publish('$SYS/broker/uptime', 2), publish('$SYS/x'), publish('last', 3))
    await client.count('puback', 2)
    expect(await topicsUntil(administrator, 'last')).toEqual(['last'])
  })
})
