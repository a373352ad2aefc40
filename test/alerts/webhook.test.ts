import { join } from 'node:path'
import { type Logger, pino } from 'pino'
import { expect, onTestFinished, test } from 'vitest'
import { createWebhook, type Webhook, type WebhookLimits } from '#src/alerts/webhook.js'
import { ensureCertificates } from '#src/listen/certificates.js'
import { connectRaw } from '../support/raw-client.js'
import { ADMINISTRATOR, type Server, startServer } from '../support/server.js'
import { temporaryFolder } from '../support/temporary-folder.js'
import { type Answer, startWebhookReceiver, takeIt } from '../support/webhook-receiver.js'

const LIMITS: WebhookLimits = {
  ...{ maxQueued: 100, timeoutMs: 500, pauseMs: 10, longestPauseMs: 50, maxAttempts: 4, finishWithinMs: 200 },
}

/** A webhook until the running test is over, and what it wrote to the log. */
function start(url: string, limits: Partial<WebhookLimits> = {}) {
  const lines: string[] = []
  const log: Logger = pino({}, { write: (line: string) => void lines.push(line) })
  const webhook: Webhook = createWebhook({ url, log, limits: { ...LIMITS, ...limits } })
  onTestFinished(webhook.stop)
  return { webhook, lines }
}

const is =
  (number: number) =>
  (body: unknown): boolean =>
    JSON.stringify(body) === `{"number":${number}}`
const post = (webhook: Webhook, number: number): void => webhook.post(JSON.stringify({ number }))
const numbers = (bodies: readonly unknown[]): unknown[] =>
  bodies.map((body) => Reflect.get(Object(body), 'number'))

const refusals: readonly (readonly [what: string, answer: Answer])[] = [
  ['answers 500', (response) => response.writeHead(500).end()],
  ['answers 429', (response) => response.writeHead(429).end()],
  ['cuts the connection', (_response, request) => request.socket.destroy()],
  ['does not answer', () => undefined],
]

test.each(refusals)(
  'a receiver that %s twice gets the alert a third time, and then the next',
  async (_, refuse) => {
    let requests = 0
    const { url, received, got } = await startWebhookReceiver((response, request) => {
      requests += 1
      const answer = requests <= 2 ? refuse : takeIt
      answer(response, request)
    })
    const { webhook } = start(url, { timeoutMs: 3000 }) // a busy machine answers in that time
    post(webhook, 1)
    post(webhook, 2)
    await got(is(2))
    expect(numbers(received)).toEqual([1, 1, 1, 2])
  },
)

/** Twice, which is more than the alert of these tests allows. */
async function failLogins(server: Server): Promise<void> {
  const login = { username: ADMINISTRATOR.username, password: Buffer.from('wrong') }
  for (let time = 0; time < 2; time += 1) await connectRaw(server.port('mqtt'), login)
}

test('an https receiver is posted to only where its certificate is trusted', async () => {
  const folder = await temporaryFolder()
  const { cert, key } = await ensureCertificates(folder)
  const { url, received, got } = await startWebhookReceiver(takeIt, { cert, key })
  const settings = { ALERT_WEBHOOK_URL: url, ALERT_WINDOW_S: '2', ALERT_FAILED_CONNECTIONS: '1' }
  const wary = await startServer(settings)
  await failLogins(wary)
  await wary.logged(({ msg }) => msg.startsWith('ALERT_WEBHOOK_URL does not take'))
  expect(received).toEqual([])
  const trusting = await startServer({ ...settings, NODE_EXTRA_CA_CERTS: join(folder, 'ca.crt') })
  await failLogins(trusting)
  await got((body) => Reflect.get(Object(body), 'alert') === 'failed_connections')
})

test('an alert that is answered 400, or redirected, is not posted again', async () => {
  let requests = 0
  const { url, received, got } = await startWebhookReceiver((response, request) => {
    requests += 1
    if (requests === 1) response.writeHead(400).end()
    else if (requests === 2) response.writeHead(307, { location: '/elsewhere' }).end()
    else takeIt(response, request)
  })
  const { webhook, lines } = start(url)
  for (const number of [1, 2, 3]) post(webhook, number)
  await got(is(3))
  expect(numbers(received)).toEqual([1, 2, 3])
  expect(lines.join('')).toContain('HTTP 400')
})

test('the oldest gives way where too many wait, and an alert is given up after its attempts', async () => {
  let isAway = true
  const { url, received, got } = await startWebhookReceiver((response, request) => {
    if (isAway) response.writeHead(503).end()
    else takeIt(response, request)
  })
  const { webhook, lines } = start(url, { maxQueued: 3, maxAttempts: 2, pauseMs: 200, longestPauseMs: 200 })
  post(webhook, 0)
  await got(is(0))
  for (const number of [1, 2, 3, 4, 5]) post(webhook, number)
  isAway = false
  await got(is(5))
  expect([...new Set(numbers(received))]).toEqual([0, 3, 4, 5])
  expect(lines.join('')).toContain('too many wait')
})

test('an alert that nobody takes is given up, and named in the log without the URL', async () => {
  const { url, received, got } = await startWebhookReceiver((response, request) => {
    if (received.length <= 4) response.writeHead(503).end()
    else takeIt(response, request)
  })
  const { webhook, lines } = start(`${url}?secret`)
  post(webhook, 1)
  post(webhook, 2)
  await got(is(2))
  expect(numbers(received)).toEqual([1, 1, 1, 1, 2])
  expect(lines.join('')).toContain('was not taken')
  expect(lines.join('')).not.toContain('secret')
})

test('a stop waits for an answer no longer than it may', async () => {
  const { url, got } = await startWebhookReceiver(() => undefined)
  const { webhook, lines } = start(url, { timeoutMs: 600_000 })
  post(webhook, 1)
  post(webhook, 2)
  await got(is(1))
  await webhook.stop()
  expect(lines.join('')).toContain('before the stop')
})
