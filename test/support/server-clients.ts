import { connect, connectAsync, type IClientOptions, type MqttClient } from 'mqtt'
import { onTestFinished } from 'vitest'
import { ADMINISTRATOR, type Server } from './server.js'

/** A client of the administrator that does not connect again, until the running test is over. */
export async function connectTo(server: Server, options: IClientOptions = {}): Promise<MqttClient> {
  const url = `mqtt://127.0.0.1:${server.port('mqtt')}`
  const client = await connectAsync(url, { ...ADMINISTRATOR, reconnectPeriod: 0, ...options }, false)
  onTestFinished(() => void client.end(true))
  return client
}

/** The same before it is connected, so that nothing that comes with its CONNACK is missed. */
export function comingTo(server: Server, options: IClientOptions = {}): MqttClient {
  const url = `mqtt://127.0.0.1:${server.port('mqtt')}`
  const client = connect(url, { ...ADMINISTRATOR, reconnectPeriod: 0, ...options })
  onTestFinished(() => void client.end(true))
  return client
}

/** Resolves with the payloads of the next `count` messages. */
export function messages(client: MqttClient, count: number): Promise<string[]> {
  return new Promise((resolve) => {
    const payloads: string[] = []
    client.on('message', (_topic, payload) => {
      payloads.push(payload.toString())
      if (payloads.length === count) resolve(payloads)
    })
  })
}

/** What `/readyz` answers. */
export function readyz(server: Server): Promise<Response> {
  return fetch(`http://127.0.0.1:${server.port('http')}/readyz`)
}
