import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { IPublishPacket } from 'mqtt-packet'
import { expect, test } from 'vitest'
import { watchAlerts } from '../support/alert-watch.js'
import { addDevice, damselfly } from '../support/command.js'
import { connectRaw, type RawClient } from '../support/raw-client.js'
import { ADMINISTRATOR, type Server, startServer } from '../support/server.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const reading = (name: string, messageId: number): IPublishPacket => ({
  ...{ cmd: 'publish', topic: `devices/${name}/data`, payload: '{"temperature":21}', messageId, qos: 1 },
  ...{ dup: false, retain: false },
})

function connectGateway(server: Server): Promise<RawClient> {
  const { username, password } = ADMINISTRATOR
  return connectRaw(server.port('mqtt'), { username, password: Buffer.from(password) })
}

/** A device is offline some seconds after its connection has ended, and a busy machine takes its time. */
const MINUTES = 120_000

const SETTINGS = { ALERT_SILENT_S: '1', OFFLINE_AFTER_S: '1' }

/** Resolves when the file has so many. Nobody is told of a write. */
async function inForceOnDisk(folder: string, count: number): Promise<void> {
  for (;;) {
    const text = await readFile(join(folder, 'data', 'alerts.json'), 'utf8').catch(() => '[]')
    const alerts: unknown = JSON.parse(text)
    if (Array.isArray(alerts) && alerts.length === count) return
    await delay(20)
  }
}

test(
  'a device that stopped raises an alert on its own topic, which ends when it is back',
  async () => {
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
  },
  MINUTES,
)

test(
  'a device that reports again, or is removed, is not missed any more',
  async () => {
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
  },
  MINUTES,
)

test(
  'an alert outlives kill -9, and ends when its device is back',
  async () => {
    const first = await watchAlerts(SETTINGS)
    const before = await connectGateway(first.server)
    before.send(reading('comes-back', 1), reading('stays-away', 2))
    const subject = { device_id: 'comes-back' }
    const { body } = await first.told('device_silent', 'raised', subject)
    await first.told('device_silent', 'raised', { device_id: 'stays-away' })
    await inForceOnDisk(first.server.folder, 2)
    first.server.kill('SIGKILL')
    await first.server.ended
    const second = await watchAlerts(SETTINGS, first.server.folder)
    const after = await connectGateway(second.server)
    after.send(reading('comes-back', 1))
    const { body: end } = await second.told('device_silent', 'ended', subject)
    expect(end['since']).toBe(body['since'])
    await inForceOnDisk(first.server.folder, 1)
    expect(second.server.log.filter(({ alert }) => alert === 'device_silent')).toHaveLength(1)
  },
  MINUTES,
)

test.each(['{"key":', '[{"key":"1","alert":{"alert":"cpu","since":"never","subject":{}}}]'])(
  'a damaged file of alerts, %j, is named in the log, and no reason not to start',
  async (text) => {
    const folder = await temporaryFolder()
    await mkdir(join(folder, 'data'))
    await writeFile(join(folder, 'data', 'alerts.json'), text)
    const server = await startServer({}, folder)
    expect(await server.logged(({ path }) => String(path).endsWith('alerts.json'))).toMatchObject({
      level: 'warn',
    })
  },
)
