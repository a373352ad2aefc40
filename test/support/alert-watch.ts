import { hostname } from 'node:os'
import { expect } from 'vitest'
import { type MosquittoClient, startMosquittoClient } from './mosquitto-client.js'
import { ADMINISTRATOR, type Server, startServer } from './server.js'
import { startWebhookReceiver } from './webhook-receiver.js'

/** Alerts that a server raises, as all three who are told see them. */
export interface AlertWatch {
  readonly server: Server
  /**
   * Resolves with an alert in this state, about a subject that has these fields, once mosquitto_sub had it on its
   * topic, the webhook received it, and it stands in the log.
   */
  told(
    alert: string,
    state: 'raised' | 'ended',
    subject: Readonly<Record<string, unknown>>,
  ): Promise<ToldAlert>
}

/** As its JSON has it. */
export interface ToldAlert {
  readonly topic: string
  readonly body: Readonly<Record<string, unknown>>
}

/** Only the alerts that a test causes. */
const OFF = {
  ALERT_FAILED_CONNECTIONS: '0',
  ALERT_MESSAGE_RATE: '0',
  ALERT_CPU_PERCENT: '0',
  ALERT_MEMORY_PERCENT: '0',
  ALERT_EVENT_LOOP_DELAY_MS: '0',
  ALERT_RECONNECTS: '0',
  ALERT_TAKEOVERS: '0',
  ALERT_CLIENT_IDS: '0',
  ALERT_REJECTED_MESSAGES: '0',
  ALERT_SILENT_S: '0',
}

/** Starts a server that counts over a window of 2 s, a webhook receiver, and mosquitto_sub. */
export async function watchAlerts(
  environment: Readonly<Record<string, string>>,
  folder?: string,
): Promise<AlertWatch> {
  const receiver = await startWebhookReceiver()
  const server = await startServer(
    { ...OFF, ALERT_WINDOW_S: '2', ALERT_WEBHOOK_URL: receiver.url, ...environment },
    folder,
  )
  const subscriber = await subscribe(server)
  return {
    server,
    async told(alert, state, subject) {
      const isIt = (body: unknown): boolean => matches(body, { alert, state, subject })
      const line = await subscriber.line((text) => isIt(parse(text.slice(text.indexOf(' ') + 1))))
      const body = parse(line.slice(line.indexOf(' ') + 1))
      expect(await receiver.got(isIt)).toEqual(body)
      expect(await server.logged((entry) => isIt(entry))).toMatchObject({
        level: state === 'raised' ? 'warn' : 'info',
        msg: body['message'],
      })
      expect(body).toMatchObject({ server: hostname(), since: expect.stringMatching(/^\d{4}-.*Z$/) })
      return { topic: line.slice(0, line.indexOf(' ')), body }
    },
  }
}

async function subscribe(server: Server): Promise<MosquittoClient> {
  const { username, password } = ADMINISTRATOR
  const subscriber = startMosquittoClient('mosquitto_sub', server.port('mqtt'), [
    ...['-u', username, '-P', password, '-i', 'alert-watch', '-q', '1', '-v', '-d'],
    ...['-t', 'system/alerts/#'],
  ])
  await subscriber.line(/^Subscribed/)
  return subscriber
}

function parse(text: string): Readonly<Record<string, unknown>> {
  if (!text.startsWith('{')) return {}
  const body: unknown = JSON.parse(text)
  return typeof body === 'object' && body !== null ? { ...body } : {}
}

function matches(body: unknown, wanted: unknown): boolean {
  if (typeof wanted !== 'object' || wanted === null) return body === wanted
  if (typeof body !== 'object' || body === null) return false
  return Object.entries(wanted).every(([name, value]) => matches(Reflect.get(body, name), value))
}
