import type { IPublishPacket, ISubscribePacket } from 'mqtt-packet'
import { expect, it } from 'vitest'
import { type CountingOptions, connectCounting } from '../support/counting-client.js'
import { highestMiB, residentMiB } from '../support/memory.js'
import { ADMINISTRATOR, type Server, startServer } from '../support/server.js'

const logIn = (server: Server, options: CountingOptions = {}) =>
  connectCounting(server.port('mqtt'), {
    ...ADMINISTRATOR,
    password: Buffer.from(ADMINISTRATOR.password),
    ...options,
  })

const subscribe = (topic: string, qos: 0 | 1): ISubscribePacket => ({
  cmd: 'subscribe',
  messageId: 1,
  subscriptions: [{ topic, qos }],
})

const publish = (payload: number, qos: 0 | 1, bytes: number): IPublishPacket => ({
  ...{
    cmd: 'publish',
    topic: 'flood/a',
    payload: `${payload}`.padEnd(bytes),
    qos,
    dup: false,
    retain: false,
  },
  ...(qos === 0 ? {} : { messageId: (payload % 65_535) + 1 }),
})

const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1)

/** What the summary says that ends the log. */
async function lastSummary(server: Server) {
  server.kill('SIGTERM')
  expect(await server.ended).toBe(0)
  return server.log.findLast(({ msg }) => msg === 'summary')
}

it('a subscriber to # that reads nothing, under 80,000 messages, costs the others nothing, and its bound in memory', async () => {
  const server = await startServer()
  const others = await Promise.all([1, 2].map(() => logIn(server)))
  const stalled = await logIn(server)
  for (const client of [stalled, ...others]) {
    client.send(subscribe('#', 0))
    await client.until(() => client.counted('suback') === 1)
  }
  stalled.pause()
  const before = await residentMiB(server.pid)
  const publishers = await Promise.all(numbers(40).map(() => logIn(server)))
  for (let batch = 1; batch <= 40; batch += 1) {
    for (const publisher of publishers) publisher.send(...numbers(50).map((index) => publish(index, 0, 4000)))
    await Promise.all(others.map((one) => one.until(() => one.counted('publish') === batch * 2000)))
  }
  const during = await highestMiB(server.pid)
  await server.logged(
    ({ msg, fault }) => msg.startsWith('a connection ended') && fault === 'it took nothing for 20 s',
  )
  expect((await residentMiB(server.pid)) - before).toBeLessThan(100)
  expect(during - before).toBeLessThan(200) // of the 320 MiB that were published
  const summary = await lastSummary(server)
  expect(summary).toMatchObject({ cutOff: { 'took nothing': 1 } })
  expect(summary?.['slowDropped']).toBeGreaterThan(10_000)
}, 120_000)

it('a session that is away under 100,000 messages has MAX_QUEUED_MESSAGES of them, and the rest is counted', async () => {
  const server = await startServer()
  const session = { clientId: 'away', clean: false }
  const away = await logIn(server, session)
  away.send(subscribe('flood/#', 1))
  await away.until(() => away.counted('suback') === 1)
  away.send({ cmd: 'disconnect' })
  await away.closed
  const publisher = await logIn(server)
  const before = await residentMiB(server.pid)
  for (let batch = 1; batch <= 100; batch += 1) {
    publisher.send(...numbers(1000).map((index) => publish((batch - 1) * 1000 + index, 1, 500)))
    await publisher.until(() => publisher.counted('puback') === batch * 1000)
  }
  const growth = (await highestMiB(server.pid)) - before
  expect(growth).toBeLessThan(100)
  const back = await logIn(server, { ...session, acknowledges: true, keepsPayloads: true })
  await back.until(() => back.counted('publish') === 1000)
  publisher.send(publish(100_001, 1, 500))
  await back.until(() => Number(back.payloads.at(-1)) === 100_001)
  expect(back.payloads.map(Number)).toEqual([...numbers(1000), 100_001])
  expect(await lastSummary(server)).toMatchObject({ queueDropped: 99_000 })
}, 120_000)
