import { appendFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parseBasic } from '#src/web/basic-login.js'
import { startWeb } from '#src/web/web.js'
import { addDevice, damselfly } from '../support/command.js'
import { connectRaw } from '../support/raw-client.js'
import { run } from '../support/run.js'
import { ADMINISTRATOR, type Server, startServer } from '../support/server.js'

const basic = (user: string, password: string): string =>
  `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`

async function get(server: Server, path: string, authorization?: string) {
  const headers = authorization === undefined ? {} : { authorization }
  const response = await fetch(`http://127.0.0.1:${server.port('http')}${path}`, { headers })
  const body: unknown = await response.json()
  return { status: response.status, challenge: response.headers.get('www-authenticate'), body }
}

/** A server with a device that has reported, and these lines in its acl.conf. */
async function serverWith(rules: readonly string[], environment: Readonly<Record<string, string>> = {}) {
  const server = await startServer({ HTTP_PORT: '0', ...environment })
  const device = await addDevice(server.folder)
  await appendFile(join(server.folder, 'config', 'acl.conf'), `${rules.join('\n')}\n`)
  const passwd = join(server.folder, 'config', 'passwd')
  expect((await run('mosquitto_passwd', ['-b', passwd, 'ann', 'ann: password'])).code).toBe(0)
  await server.logged(({ msg }) => msg.startsWith('read again'))
  const { deviceId, secret } = device
  const client = await connectRaw(server.port('mqtt'), { username: deviceId, password: Buffer.from(secret) })
  const topic = `devices/${deviceId}/data`
  client.send({
    cmd: 'publish',
    topic,
    payload: '{"temperature":21.5}',
    qos: 1,
    messageId: 1,
    retain: false,
    dup: false,
  })
  await client.count('puback', 1)
  return { server, device }
}

const administrator = basic(ADMINISTRATOR.username, ADMINISTRATOR.password)

describe('GET /api/devices/NAME', () => {
  it('answers who may receive the data of the device, by either of its names', async () => {
    const { server, device } = await serverWith(['user ann', 'topic read devices/+/data'])
    for (const authorization of [administrator, basic('ann', 'ann: password')]) {
      for (const name of [device.uuid, device.deviceId]) {
        expect(await get(server, `/api/devices/${name}`, authorization)).toMatchObject({
          status: 200,
          body: { uuid: device.uuid, sensors: [{ sensor_name: 'temperature', sensor_value: '21.5' }] },
        })
      }
    }
    const shown = await damselfly(server.folder, ['device', 'show', device.uuid])
    expect(JSON.parse(shown.stdout)).toEqual(
      (await get(server, `/api/devices/${device.uuid}`, administrator)).body,
    )
    expect(JSON.stringify(JSON.parse(shown.stdout))).not.toContain(device.secret)
  })

  it('answers 403 to whom the rules do not allow it, the device itself among them, known or not', async () => {
    const { server, device } = await serverWith(['user ann', 'topic read devices/other/data'])
    const logins = [basic('ann', 'ann: password'), basic(device.deviceId, device.secret)]
    for (const authorization of logins) {
      for (const name of [device.uuid, 'nobody']) {
        expect((await get(server, `/api/devices/${name}`, authorization)).status).toBe(403)
      }
    }
    expect((await get(server, '/api/devices/other', logins[0])).status).toBe(404)
    expect((await get(server, '/api/devices/nobody', administrator)).status).toBe(404)
  })

  it('answers 401 without a right login, and asks for one', async () => {
    const { server, device } = await serverWith([])
    const wrong = [
      undefined,
      basic('ann', 'wrong'),
      basic('nobody', 'x'),
      'Bearer x',
      'Basic !',
      'Basic YQ==',
    ]
    for (const authorization of wrong) {
      expect(await get(server, `/api/devices/${device.uuid}`, authorization), authorization).toMatchObject({
        status: 401,
        challenge: 'Basic realm="Damselfly", charset="UTF-8"',
      })
    }
    await server.logged((line) => line.msg === 'a login was refused' && line['transport'] === 'http')
  })

  it('answers 429 after too many wrong logins, but for one that was right before', async () => {
    const { server, device } = await serverWith([], { LOGIN_FAILURES: '3', LOGIN_REFUSE_AFTER: '3' })
    const path = `/api/devices/${device.uuid}`
    expect((await get(server, path, administrator)).status).toBe(200)
    for (const status of [401, 401, 401, 429]) {
      expect((await get(server, path, basic('ann', 'wrong'))).status).toBe(status)
    }
    expect((await get(server, path, basic('ann', 'ann: password'))).status).toBe(429)
    expect((await get(server, path, administrator)).status).toBe(200)
  })

  it('is open to anonymous clients as far as acl.conf says', async () => {
    const { server, device } = await serverWith(['# ', 'pattern read open'], { ALLOW_ANONYMOUS: 'true' })
    expect((await get(server, `/api/devices/${device.uuid}`)).status).toBe(403)
    const acl = join(server.folder, 'config', 'acl.conf')
    await appendFile(acl, 'pattern read devices/#\n')
    await server.logged(({ msg }) => msg.startsWith('read again'))
    await expect.poll(async () => (await get(server, `/api/devices/${device.uuid}`)).status).toBe(200)
  })

  it('answers 503 while the server starts', async () => {
    const readiness = { report: async () => ({ listeners: false, store: false, sessions: false }) }
    const metrics = () => Promise.reject(new Error('not served here'))
    const web = await startWeb('127.0.0.1', 0, { readiness, api: () => undefined, metrics })
    expect((await fetch(`${web.address}/api/devices/x`)).status).toBe(503)
    await web.stop()
  })
})

describe('An Authorization header', () => {
  it.each([
    [undefined, undefined, undefined],
    [basic('ann', 'secret'), 'ann', 'secret'],
    [basic('ann', 'a:b'), 'ann', 'a:b'],
    [basic('', ''), '', ''],
    [basic('设备', '密码'), '设备', '密码'],
    ['basic  YTpi ', 'a', 'b'],
  ])('%j is the login of %s', (header, user, password) => {
    const found = parseBasic(header)
    expect([found?.user, found?.password?.toString()]).toEqual([user, password])
  })

  it.each(['', 'Basic', 'Basic ', 'Basic YQ==', 'Bearer YTpi', 'Basic Y T p i', 'Basic ünicode'])(
    '%j is no login',
    (header) => expect(parseBasic(header)).toBeUndefined(),
  )
})
