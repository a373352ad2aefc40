import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { connectAsync, type IClientOptions } from 'mqtt'
import { describe, expect, it, onTestFinished } from 'vitest'
import { damselfly } from '../support/command.js'
import { run } from '../support/run.js'
import { ADMINISTRATOR, startServer } from '../support/server.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const everyListener = { MQTTS_PORT: '0', WS_PORT: '0', WSS_PORT: '0' }

/** A port of 127.0.0.1 that is taken until the running test is over. */
async function takenPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  onTestFinished(() => void server.close())
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

/** Publishes a reading with mqtt.js, and ends when it is acknowledged. */
async function publish(url: string, topic: string, options: IClientOptions = {}): Promise<void> {
  const client = await connectAsync(url, { ...ADMINISTRATOR, reconnectPeriod: 0, ...options }, false)
  await client.publishAsync(topic, '{"temperature":21.5}', { qos: 1 })
  await client.endAsync()
}

describe('The server', () => {
  it('[MQTT-7.1.1-1] takes readings through TCP, TLS, WebSocket and WebSocket over TLS, and stores them', async () => {
    const server = await startServer(everyListener)
    const caFile = join(server.folder, 'certs', 'ca.crt')
    const mosquitto = (port: number, topic: string, ...more: string[]) =>
      run('mosquitto_pub', [
        ...['-h', 'localhost', '-p', `${port}`, '-u', ADMINISTRATOR.username, '-P', ADMINISTRATOR.password],
        ...['-q', '1', '-t', topic, '-m', '{"temperature":21.5}', ...more],
      ])
    expect(await mosquitto(server.port('mqtt'), 'devices/by-tcp/data')).toMatchObject({ code: 0, stderr: '' })
    expect(await mosquitto(server.port('mqtts'), 'devices/by-tls/data', '--cafile', caFile)).toMatchObject({
      code: 0,
      stderr: '',
    })
    await publish(`ws://127.0.0.1:${server.port('ws')}`, 'devices/by-ws/data')
    const ca = await readFile(caFile)
    await publish(`wss://localhost:${server.port('wss')}`, 'devices/by-wss/data', { ca })
    const { stdout } = await damselfly(server.folder, ['device', 'list', '--json'])
    expect(JSON.parse(stdout)).toMatchObject(
      ['by-tcp', 'by-tls', 'by-ws', 'by-wss'].map((device_id) => ({
        device_id,
        sensors: [{ sensor_name: 'temperature', sensor_value: '21.5' }],
      })),
    )
    expect(server.log.filter(({ level }) => level !== 'info')).toEqual([])
  })

  it('shows a certificate that nobody who lacks its CA accepts, and outlives who tries', async () => {
    const server = await startServer({ ...everyListener, MQTT_PORT: 'off' })
    await expect(publish(`mqtts://localhost:${server.port('mqtts')}`, 'a')).rejects.toThrow(/certificate/)
    await expect(publish(`wss://localhost:${server.port('wss')}`, 'a')).rejects.toThrow(/certificate/)
    await expect(publish(`mqtt://localhost:${server.port('mqtts')}`, 'a')).rejects.toThrow()
    await publish(`mqtts://localhost:${server.port('mqtts')}`, 'a', {
      ca: await readFile(join(server.folder, 'certs', 'ca.crt')),
    })
  })

  it('tells a browser on the WebSocket port what is spoken there', async () => {
    const server = await startServer({ WS_PORT: '0' })
    const response = await fetch(`http://127.0.0.1:${server.port('ws')}/`)
    expect(response.status).toBe(426)
    expect(response.headers.get('upgrade')).toBe('websocket')
    expect(await response.text()).toContain('WebSocket')
    await publish(`ws://127.0.0.1:${server.port('ws')}/any/path`, 'a')
  })

  it('serves on ::1, or says that this machine has no such address', async () => {
    const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? [])
    if (addresses.some(({ address }) => address === '::1')) {
      const server = await startServer({ BIND_ADDRESS: '::1', WS_PORT: '0', HTTP_PORT: '0' })
      await publish(`mqtt://[::1]:${server.port('mqtt')}`, 'a')
      expect((await fetch(`http://[::1]:${server.port('ws')}`)).status).toBe(426)
      expect((await fetch(`http://[::1]:${server.port('http')}/readyz`)).status).toBe(200)
    } else {
      const settings = { BIND_ADDRESS: '::1', HTTP_PORT: 'off' }
      const { code, stderr } = await damselfly(await temporaryFolder(), [], settings)
      expect({ code, stderr }).toMatchObject({ code: 1, stderr: /MQTT_PORT.*no such address/ })
    }
  })

  it('ends with one line that names the setting when a port is taken', async () => {
    const taken = `${await takenPort()}`
    const settings = ['MQTT_PORT', 'MQTTS_PORT', 'WS_PORT', 'WSS_PORT', 'HTTP_PORT']
    const off = Object.fromEntries(settings.map((name) => [name, 'off']))
    for (const name of settings) {
      const environment = { ...off, BIND_ADDRESS: '127.0.0.1', [name]: taken, MQTT_USERNAME: 'admin' }
      const outcome = await damselfly(await temporaryFolder(), [], { ...environment, MQTT_PASSWORD: 'x' })
      expect(outcome.stderr).toMatch(
        new RegExp(`^damselfly: CONFIG_CONFLICT: ${name} = ${taken}, BIND_ADDRESS = 127\\.0\\.0\\.1: .+\\n$`),
      )
      expect(outcome).toMatchObject({ code: 1, stdout: '' })
    }
  })
})
