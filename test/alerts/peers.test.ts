import { connectAsync, type IClientOptions, type MqttClient } from 'mqtt'
import { expect, onTestFinished, test } from 'vitest'
import { watchAlerts } from '../support/alert-watch.js'
import { ADMINISTRATOR, type Server } from '../support/server.js'

async function connect(server: Server, options: IClientOptions): Promise<MqttClient> {
  const client = await connectAsync({
    ...{ host: '127.0.0.1', port: server.port('mqtt'), protocol: 'mqtt', reconnectPeriod: 0 },
    ...ADMINISTRATOR,
    ...options,
  })
  onTestFinished(() => client.endAsync(true))
  return client
}

/** What the API lists. */
async function inForce(server: Server): Promise<unknown> {
  const { username, password } = ADMINISTRATOR
  const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
  const url = `http://127.0.0.1:${server.port('http')}/api/alerts`
  const body: unknown = await (await fetch(url, { headers: { authorization } })).json()
  return Reflect.get(Object(body), 'alerts')
}

test('a client that connects again and again raises an alert, which ends when it stays', async () => {
  const { server, told } = await watchAlerts({ ALERT_RECONNECTS: '5' })
  for (let time = 0; time < 6; time += 1) {
    await (await connect(server, { clientId: 'flapping' })).endAsync()
  }
  const subject = { kind: 'client', client: 'flapping', user: ADMINISTRATOR.username, address: '127.0.0.1' }
  const { topic, body } = await told('client_flapping', 'raised', subject)
  expect(topic).toBe('system/alerts/server')
  expect(body).toMatchObject({ severity: 'warning', threshold: 5, value: expect.any(Number) })
  expect(body['value']).toBeGreaterThan(5)
  const { body: end } = await told('client_flapping', 'ended', subject)
  expect(end).toMatchObject({ since: body['since'], until: expect.stringMatching(/Z$/) })
  expect(end['value']).toBeLessThanOrEqual(2.5)
})

test('two clients that take one client id from each other raise an alert, which ends with one of them', async () => {
  const { server, told } = await watchAlerts({ ALERT_TAKEOVERS: '3', ALERT_RECONNECTS: '3' })
  for (let time = 0; time < 5; time += 1) await connect(server, { clientId: 'twin' })
  const subject = { kind: 'client', client: 'twin' }
  await told('client_takeovers', 'raised', subject)
  await told('client_takeovers', 'ended', subject)
  expect(server.log.filter(({ alert }) => alert === 'client_flapping')).toEqual([])
})

test('an address that has many client ids, let in or not, raises an alert, which ends after the window', async () => {
  const { server, told } = await watchAlerts({ ALERT_CLIENT_IDS: '6' })
  for (let time = 0; time < 4; time += 1) await connect(server, { clientId: `one-of-many-${time}` })
  for (let time = 0; time < 4; time += 1) {
    const refused = connect(server, { clientId: `scanner-${time}`, password: 'wrong' })
    await expect(refused).rejects.toMatchObject({ code: 5 })
  }
  const subject = { kind: 'address', address: '127.0.0.1' }
  const { topic } = await told('address_client_ids', 'raised', subject)
  expect(topic).toBe('system/alerts/server')
  await told('address_client_ids', 'ended', subject)
})

test('a device that sends rubbish raises an alert on its own topic, which ends when it stops', async () => {
  const { server, told } = await watchAlerts({ ALERT_REJECTED_MESSAGES: '5', HTTP_PORT: '0' })
  const client = await connect(server, { clientId: 'gateway' })
  const send = (payload: string) => client.publishAsync('devices/rubbish-1/data', payload, { qos: 1 })
  await send('{"temperature":20}')
  for (let time = 0; time < 6; time += 1) await send('<rubbish>')
  const subject = { kind: 'device', device_id: 'rubbish-1' }
  const { topic, body } = await told('device_rejected_messages', 'raised', subject)
  expect(topic).toBe('system/alerts/rubbish-1')
  expect(body).toMatchObject({ threshold: 5, value: 6 })
  expect(await inForce(server)).toMatchObject([{ alert: 'device_rejected_messages', subject }])
  await send('{"temperature":21}')
  await told('device_rejected_messages', 'ended', subject)
  expect(await inForce(server)).toEqual([])
})

test('rubbish under a name that is no device raises an alert on the topic of the server', async () => {
  const { server, told } = await watchAlerts({ ALERT_REJECTED_MESSAGES: '5', UNKNOWN_DEVICES: 'reject' })
  const client = await connect(server, { clientId: 'gateway' })
  for (let time = 0; time < 6; time += 1) {
    await client.publishAsync('devices/nobody/data', '{"temperature":20}', { qos: 1 })
  }
  const { topic } = await told('device_rejected_messages', 'raised', { kind: 'device', name: 'nobody' })
  expect(topic).toBe('system/alerts/server')
})
