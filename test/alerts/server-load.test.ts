import { setTimeout as delay } from 'node:timers/promises'
import { connectAsync, type MqttClient } from 'mqtt'
import { expect, onTestFinished, test } from 'vitest'
import { type AlertWatch, watchAlerts } from '../support/alert-watch.js'
import { connectRaw } from '../support/raw-client.js'
import { ADMINISTRATOR, type Server } from '../support/server.js'

const SERVER = { kind: 'server' }

/** A busy machine takes its time. */
const MINUTES = 120_000

async function connect(server: Server, password: string = ADMINISTRATOR.password): Promise<MqttClient> {
  const client = await connectAsync({
    ...{ host: '127.0.0.1', port: server.port('mqtt'), protocol: 'mqtt', reconnectPeriod: 0 },
    ...{ username: ADMINISTRATOR.username, password },
  })
  onTestFinished(() => client.endAsync(true))
  return client
}

/** Repeats something until the alert is raised, stops what is left of it, and waits for the end of the alert. */
async function raiseBy(
  { told }: AlertWatch,
  alert: string,
  cause: () => Promise<unknown>,
  stop: () => unknown = () => undefined,
): Promise<void> {
  let isRaised = false
  const raised = told(alert, 'raised', SERVER).then((seen) => {
    isRaised = true
    return seen
  })
  raised.catch(() => undefined) // seen below
  while (!isRaised) await cause()
  expect((await raised).topic).toBe('system/alerts/server')
  stop()
  await told(alert, 'ended', SERVER)
}

test('logins that fail raise an alert, which ends after them', async () => {
  const watch = await watchAlerts({ ALERT_FAILED_CONNECTIONS: '5', LOGIN_DELAY_MS: '0' })
  await raiseBy(watch, 'failed_connections', () =>
    expect(connect(watch.server, 'wrong')).rejects.toMatchObject({ code: 5 }),
  )
})

test(
  'a flood of messages raises alerts of the message rate and of the CPU, which end after it',
  async () => {
    const watch = await watchAlerts({ ALERT_MESSAGE_RATE: '500', ALERT_CPU_PERCENT: '5' })
    const client = await connect(watch.server)
    const flood = async (): Promise<void> => {
      const payload = Buffer.alloc(100)
      const sent = Array.from({ length: 500 }, () => client.publishAsync('flood', payload, { qos: 1 }))
      await Promise.all(sent)
    }
    await Promise.all([raiseBy(watch, 'message_rate', flood), raiseBy(watch, 'cpu', flood)])
  },
  MINUTES,
)

test(
  'a server that is held up again and again raises an alert, which ends when it runs again',
  async () => {
    // Every evaluation is to find that it was held up; they are a second apart.
    const watch = await watchAlerts({ ALERT_EVENT_LOOP_DELAY_MS: '300', ALERT_WINDOW_S: '12' })
    const client = await connect(watch.server)
    await raiseBy(watch, 'event_loop_delay', async () => {
      watch.server.kill('SIGSTOP')
      await delay(400)
      watch.server.kill('SIGCONT')
      await client.publishAsync('runs/again', '', { qos: 1 })
    })
  },
  MINUTES,
)

test(
  'memory that runs short raises an alert, which ends when it is free again',
  async () => {
    // Of this heap the server itself takes some 30 %; V8 frees what is left of a subscriber once it is idle.
    const heap = { NODE_OPTIONS: '--max-old-space-size=64 --max-semi-space-size=1' }
    const watch = await watchAlerts({ ALERT_MEMORY_PERCENT: '45', ...heap })
    const login = { ...ADMINISTRATOR, password: Buffer.from(ADMINISTRATOR.password) }
    const subscriber = await connectRaw(watch.server.port('mqtt'), login)
    let messageId = 0
    await raiseBy(
      watch,
      'memory',
      async () => {
        messageId += 1
        const filters = Array.from({ length: 500 }, (_, index) => `${messageId}/${index}`)
        const subscriptions = filters.map((topic) => ({ topic, qos: 0 }) as const)
        subscriber.send({ cmd: 'subscribe', messageId, subscriptions })
        await subscriber.count('suback', messageId)
      },
      () => subscriber.socket.destroy(),
    )
  },
  MINUTES,
)
