import { describe, expect, it } from 'vitest'
import { type AddedDevice, addDevice } from '../support/command.js'
import { folderWithUsers } from '../support/config-folder.js'
import { administrator, ask, at, basic, fields, openApi } from '../support/http-api.js'
import { startRedis } from '../support/redis.js'
import { type Server, startServer } from '../support/server.js'
import { comingTo, connectTo, messages } from '../support/server-clients.js'

const ann = basic('ann', 'secret of ann')
const NOBODY = ''

/** A server whose user is ann, with these rules for her. */
async function serverFor(
  rules: readonly string[],
  more: Readonly<Record<string, string>> = {},
): Promise<Server> {
  const acl = ['user ann', ...rules].map((line) => `${line}\n`).join('')
  const folder = await folderWithUsers({ ann: 'secret of ann' }, acl)
  return startServer({ HTTP_PORT: '0', ...more }, folder)
}

async function addDevices(server: Server, count: number): Promise<AddedDevice[]> {
  const devices: AddedDevice[] = []
  while (devices.length < count) devices.push(await addDevice(server.folder))
  return devices
}

const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])
const uuids = (body: unknown): unknown[] => list(at(body, 'devices')).map((device) => at(device, 'uuid'))

describe('GET /api/devices', () => {
  it('goes through all devices page by page, each once', async () => {
    const server = await serverFor([])
    const added = (await addDevices(server, 3)).map(({ uuid }) => uuid)
    const first = await ask(server, '/api/devices?limit=2')
    expect([first.status, uuids(first.body)]).toEqual([200, added.slice(0, 2)])
    const second = await ask(server, `/api/devices?limit=2&after=${first.body['next']}`)
    expect([uuids(second.body), second.body['next']]).toEqual([added.slice(2), null])
    expect((await ask(server, '/api/devices?limit=3')).body['next']).toBeNull()
    expect((await ask(server, '/api/devices')).body).not.toHaveProperty(['devices', 0, 'device_secret'])
  })

  it('has those that the asker may read, and no other', async () => {
    const server = await serverFor(['topic read devices/+/status'])
    const [one, two] = await addDevices(server, 2)
    expect((await ask(server, '/api/devices', ann)).body).toEqual({ devices: [], next: null })
    const may = await serverFor([`topic read devices/${two?.uuid}/data`], {
      DATABASE_URL: `sqlite:${server.folder}/data/damselfly.db`,
    })
    expect(uuids((await ask(may, '/api/devices?limit=1', ann)).body)).toEqual([two?.uuid])
    expect(uuids((await ask(may, '/api/devices')).body)).toEqual([one?.uuid, two?.uuid])
  })

  it('has those that are online, or whose names contain a text', async () => {
    const server = await serverFor([])
    const [one, two] = await addDevices(server, 2)
    const client = await connectTo(server)
    await client.publishAsync(`devices/${one?.uuid}/heartbeat`, '{"sequence":1}', { qos: 1 })
    expect(uuids((await ask(server, '/api/devices?online=true')).body)).toEqual([one?.uuid])
    expect(uuids((await ask(server, '/api/devices?online=false')).body)).toEqual([two?.uuid])
    const text = two?.deviceId.toLowerCase()
    expect(uuids((await ask(server, `/api/devices?text=${text}`)).body)).toEqual([two?.uuid])
  })

  it('answers 400 to a parameter that is wrong, and says what is expected of it', async () => {
    const server = await serverFor([])
    const wrong = [
      ['limit=0', 'limit must be >= 1'],
      ['limit=201', 'limit must be <= 200'],
      ['limit=ten', 'limit must be integer'],
      ['limit=1&limit=2', 'limit must be integer'],
      ['after=-1', 'after must be >= 0'],
      ['online=perhaps', 'online must be boolean'],
      ['text=', 'text must NOT have fewer than 1 characters'],
      ['page=2', 'page is unknown'],
    ]
    for (const [query, fault] of wrong) {
      const body = { error: `query parameter ${fault}` }
      expect(await ask(server, `/api/devices?${query}`)).toEqual({ status: 400, body })
    }
  })
})

describe('POST /api/devices/NAME/control', () => {
  it('publishes the command to those who are here, by either name of the device', async () => {
    const server = await serverFor(['topic write devices/+/control'])
    const [device] = await addDevices(server, 1)
    const subscriber = await connectTo(server)
    const topic = `devices/${device?.uuid}/control`
    await subscriber.subscribeAsync(topic, { qos: 1 })
    const received = messages(subscriber, 2)
    const qos: unknown[] = []
    subscriber.on('message', (_topic, _payload, packet) => qos.push(packet.qos))
    for (const [name, authorization] of [
      [device?.uuid, ann],
      [device?.deviceId, administrator],
    ]) {
      const body = '{"command": {"action": "灯", "value": 1}}'
      const answer = await ask(server, `/api/devices/${name}/control`, authorization, body)
      expect(answer).toEqual({ status: 202, body: { topic } })
    }
    expect(await received).toEqual(Array(2).fill('{"action":"灯","value":1}'))
    expect(qos).toEqual([1, 1])
  })

  it('keeps the command for a session whose client is away, over the end of the server', async () => {
    const server = await serverFor([])
    const [device] = await addDevices(server, 1)
    const away = await connectTo(server, { clientId: 'away', clean: false })
    await away.subscribeAsync(`devices/${device?.uuid}/control`, { qos: 1 })
    await away.endAsync()
    const path = `/api/devices/${device?.uuid}/control`
    expect((await ask(server, path, administrator, '{"command":{"n":1}}')).status).toBe(202)
    server.kill('SIGKILL')
    await server.ended
    const next = await startServer({ HTTP_PORT: '0' }, server.folder)
    const back = comingTo(next, { clientId: 'away', clean: false })
    expect(await messages(back, 1)).toEqual(['{"n":1}'])
  })

  it('answers 403 to whom no rule allows it, 404 for no device, and publishes nothing', async () => {
    const server = await serverFor(['topic read devices/#', 'topic write devices/other/control'])
    const [device] = await addDevices(server, 1)
    const body = '{"command":{}}'
    for (const name of [device?.uuid, 'nobody']) {
      expect((await ask(server, `/api/devices/${name}/control`, ann, body)).status).toBe(403)
    }
    expect((await ask(server, '/api/devices/other/control', ann, body)).status).toBe(404)
    expect((await ask(server, '/api/devices/nobody/control', administrator, body)).status).toBe(404)
    expect((await ask(server, `/api/devices/${device?.uuid}/control`, NOBODY, body)).status).toBe(401)
  })

  it('answers 400 or 413 to what is no command', async () => {
    const server = await serverFor([])
    const [device] = await addDevices(server, 1)
    const path = `/api/devices/${device?.uuid}/control`
    const largest = `{"command":{"x":"${'x'.repeat(16_384 - '{"x":""}'.length)}"}}`
    const bodies = [
      ['{}', 400],
      ['{"command":"on"}', 400],
      ['{"command":[]}', 400],
      ['{"command":{},"qos":2}', 400],
      ['{"command":{"__proto__":{}}}', 400],
      ['[]', 400],
      ['{', 400],
      [largest, 202],
      [largest.replace('x"}', 'xx"}'), 413],
      [`{"command":{"x":"${'x'.repeat(20_000)}"}}`, 413],
    ] as const
    for (const [body, status] of bodies) {
      expect((await ask(server, path, administrator, body)).status, body.slice(0, 40)).toBe(status)
    }
    const address = `http://127.0.0.1:${server.port('http')}${path}`
    const headers = { authorization: administrator, 'content-type': 'text/plain' }
    const form = await fetch(address, { method: 'POST', headers, body: '{"command":{}}' })
    expect(form.status).toBe(415)
  })
})

describe('POST /api/devices/NAME/control, while Redis is away', () => {
  it('answers 503', async () => {
    const redis = await startRedis()
    const server = await serverFor([], { REDIS_URL: redis.url })
    const [device] = await addDevices(server, 1)
    const path = `/api/devices/${device?.uuid}/control`
    expect((await ask(server, path, administrator, '{"command":{}}')).status).toBe(202)
    await redis.kill()
    expect((await ask(server, path, administrator, '{"command":{}}')).status).toBe(503)
  })
})

describe('GET /api/clients', () => {
  it('has who is connected, page by page, and the devices that they are', async () => {
    const server = await serverFor([])
    const [device] = await addDevices(server, 1)
    await connectTo(server, { clientId: 'one' })
    const { uuid: clientId = '', deviceId: username = '', secret: password = '' } = device ?? {}
    await connectTo(server, { clientId, username, password })
    const first = await ask(server, '/api/clients?limit=1')
    expect(first.body).toMatchObject({
      clients: [{ clientId: 'one', user: 'admin', address: '127.0.0.1', transport: 'tcp', device: null }],
      total: 2,
    })
    const second = await ask(server, `/api/clients?limit=1&after=${first.body['next']}`)
    expect(second.body).toMatchObject({
      clients: [{ clientId, user: username, device: clientId }],
      next: null,
    })
    expect((await ask(server, '/api/clients?limit=1001')).status).toBe(400)
  })
})

describe('GET /api/statistics', () => {
  it('says what the summary in the log does', async () => {
    const server = await serverFor([])
    const client = await connectTo(server)
    await client.publishAsync('devices/one/data', '{"light":1}', { qos: 1 })
    await client.publishAsync('devices/one/data', 'no JSON', { qos: 1 })
    const { status, body } = await ask(server, '/api/statistics')
    expect(status).toBe(200)
    expect(body).toMatchObject({ received: 2, stored: 1, connections: 1, successRate: '50.00 %' })
    expect(Object.values(fields(body['rejected']))).toEqual([1])
    server.kill('SIGTERM')
    const {
      level: _level,
      time: _time,
      pid: _pid,
      hostname: _host,
      msg: _msg,
      ...summary
    } = await server.logged(({ msg }) => msg === 'summary')
    expect(Object.keys(summary)).toEqual(Object.keys(body))
  })
})

describe('What is of the server', () => {
  const paths = ['/api/clients', '/api/statistics', '/api/alerts']
  const statuses = async (server: Server, login: string): Promise<number[]> => {
    const answers: number[] = []
    for (const path of paths) answers.push((await ask(server, path, login)).status)
    return answers
  }

  it('is told the administrator, and users who may read $SYS/broker/# or a part of it that is named so', async () => {
    const rules = [
      ['topic read $SYS/broker/#', 200, 200, 200],
      ['topic read $SYS/#', 200, 200, 200],
      ['topic read $SYS/broker/api/statistics', 403, 200, 403],
      ['topic read #', 403, 403, 403],
      ['topic read $SYS/broker/clients/#', 403, 403, 403],
      ['topic readwrite devices/#', 403, 403, 403],
    ] as const
    const users = rules.map((_, index) => [`user${index}`, `secret ${index}`] as const)
    const acl = rules.map(([rule], index) => `user user${index}\n${rule}\n`).join('')
    const folder = await folderWithUsers(Object.fromEntries(users), acl)
    const server = await startServer({ HTTP_PORT: '0' }, folder)
    for (const [index, [rule, ...expected]] of rules.entries()) {
      expect(await statuses(server, basic(`user${index}`, `secret ${index}`)), rule).toEqual(expected)
    }
    expect(await statuses(server, administrator)).toEqual([200, 200, 200])
    expect((await ask(server, '/api/alerts')).body).toEqual({ alerts: [] })
  })

  it('is told no anonymous client, whatever it may read', async () => {
    const folder = await folderWithUsers({}, 'topic read #\ntopic read $SYS/#\n')
    const server = await startServer({ HTTP_PORT: '0', ALLOW_ANONYMOUS: 'true' }, folder)
    expect(await statuses(server, NOBODY)).toEqual([401, 401, 401])
    expect((await ask(server, '/api/devices', NOBODY)).status).toBe(200)
  })
})

describe('GET /api/openapi.json', () => {
  it('has every route, its parameters, and what it answers, and needs no login', async () => {
    const server = await serverFor([])
    const document = await openApi(server)
    expect(document['openapi']).toBe('3.1.0')
    const paths = fields(document['paths'])
    const operations = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(fields(methods)).map((method) => `${method} ${path}`),
    )
    expect(operations.sort()).toEqual([
      'get /api/alerts',
      'get /api/clients',
      'get /api/devices',
      'get /api/devices/{name}',
      'get /api/devices/{name}/sensors/{sensor}/history',
      'get /api/statistics',
      'post /api/devices/{name}/control',
    ])
    const text = JSON.stringify(document)
    const references = [...text.matchAll(/"\$ref":"#\/([^"]+)"/g)].map(([, pointer = '']) => pointer)
    expect(references).not.toEqual([])
    for (const pointer of references) expect(at(document, ...pointer.split('/')), pointer).toBeDefined()
    expect(text).not.toContain('$id')
    const parameters = list(at(paths, '/api/devices', 'get', 'parameters'))
    expect(parameters.map((one) => `${at(one, 'in')} ${at(one, 'name')}`)).toEqual([
      'query after',
      'query limit',
      'query online',
      'query text',
    ])
    const missing = await fetch(`http://127.0.0.1:${server.port('http')}/api/nothing?x=1`)
    expect([missing.status, await missing.json()]).toEqual([404, { error: 'there is no GET /api/nothing' }])
  })
})
