import type { IPublishPacket } from 'mqtt-packet'
import { expect, test } from 'vitest'
import { watchAlerts } from '../support/alert-watch.js'
import { addDevice, damselfly } from '../support/command.js'
import { connectRaw, type RawClient } from '../support/raw-client.js'
import { ADMINISTRATOR, type Server } from '../support/server.js'

const reading = (name: string, messageId: number): IPublishPacket => ({
  ...{ cmd: 'publish', topic: `devices/${name}/data`, payload: '{"temperature":21}', messageId, qos: 1 },
  ...{ dup: false, retain: false },
})

function connectGateway(server: Server): Promise<RawClient> {
  const { username, password } = ADMINISTRATOR
  return connectRaw(server.port('mqtt'), { username, password: Buffer.from(password) })
}

const SETTINGS = { ALERT_SILENT_S: '1', OFFLINE_AFTER_S: '1' }

test('a device that stopped raises an alert on its own topic, which ends when it is back', async () => {
  const { server, told } = await watchAlerts(SETTINGS)
  const device = await addDevice(server.folder)
  const connect = () =>
    connectRaw(server.port('mqtt'), {
      ...{ clientId: device.uuid, username: device.deviceId, password: Buffer.from(device.secret) },
    })
  const client = await connect()
  const talking = await connectGateway(server)
  // While one falls silent beside it, a device that is connected does not, although it reports nothing.
  talking.send(reading('beside-it', 1))
  await told('device_silent', 'raised', { kind: 'device', device_id: 'beside-it' })
  expect(server.log.filter(({ alert }) => alert === 'device_silent')).toHaveLength(1)
  client.socket.destroy()
  const subject = { kind: 'device', device_id: device.deviceId }
  const { topic, body } = await told('device_silent', 'raised', subject)
  expect(topic).toBe(`system/alerts/${device.deviceId}`)
  expect(body).toMatchObject({ threshold: 1 })
  await connect()
  await told('device_silent', 'ended', subject)
})

test('a device that reports again, or is removed, is not missed any more', async () => {
  const { server, told } = await watchAlerts(SETTINGS)
  const gateway = await connectGateway(server)
  gateway.send(reading('comes-back', 1), reading('is-removed', 2))
  await Promise.all(
    ['comes-back', 'is-removed'].map((name) => told('device_silent', 'raised', { device_id: name })),
  )
  gateway.send(reading('comes-back', 3))
  await told('device_silent', 'ended', { device_id: 'comes-back' })
  const removed = await damselfly(server.folder, ['device', 'remove', 'is-removed'])
  expect(removed).toMatchObject({ code: 0 })
  await told('device_silent', 'ended', { device_id: 'is-removed' })
})
