import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { createClient } from '@libsql/client'
import { connectAsync } from 'mqtt'
import { expect, it, onTestFinished } from 'vitest'
import type { RawClient } from '../support/raw-client.js'
import { ADMINISTRATOR_LINE, logIn, readAfter, startWithRules, userLine } from '../support/rules.js'
import { ADMINISTRATOR, type Server } from '../support/server.js'

const CLIENTS = 1000
/** Revoked at a time, half by each file. */
const GROUP = 100
/** A busy machine may fail the first two. */
const MEASUREMENTS = 3
const WITHIN_MS = 1000
/** One of so many publishes readings of a device, the others what is not ingested. */
const DEVICE_EVERY = 20
/** Together some 500 messages a second. */
const PUBLISH_EVERY_MS = 2000

/** A user, what it publishes, and what has been acknowledged to it. */
interface Publisher {
  readonly name: string
  readonly topic: string
  readonly client: RawClient
  acknowledged: number
  /** Resolves at the end of its connection with the time of that, by `performance.now()`. */
  readonly closed: Promise<number>
  isClosed: boolean
}

const NAMES = Array.from({ length: CLIENTS }, (_, index) => `user-${index}`)
const LINES = new Map(NAMES.map((name) => [name, userLine(name)]))

const topicOf = (name: string, index: number): string =>
  index % DEVICE_EVERY === 0 ? `devices/${name}/data` : `load/${name}`

/** The files without what was revoked: of each group the first half by passwd, the second by acl.conf. */
function filesWithout(groups: number) {
  const isRevoked = (index: number): boolean => index < groups * GROUP
  const isFirstHalf = (index: number): boolean => index % GROUP < GROUP / 2
  const users = NAMES.filter((_, index) => !isRevoked(index) || !isFirstHalf(index))
  const rules = NAMES.map((name, index) =>
    isRevoked(index) && !isFirstHalf(index) ? '' : `user ${name}\ntopic write ${topicOf(name, index)}\n`,
  )
  return {
    passwd: ADMINISTRATOR_LINE + users.map((name) => LINES.get(name)).join(''),
    acl: rules.join(''),
  }
}

async function connectAll(server: Server): Promise<readonly Publisher[]> {
  const publishers: Publisher[] = []
  for (let from = 0; from < CLIENTS; from += GROUP) {
    const some = NAMES.slice(from, from + GROUP).map(async (name, index): Promise<Publisher> => {
      const client = await logIn(server, name)
      expect(client.connack.returnCode).toBe(0)
      const topic = topicOf(name, from + index)
      const closed = new Promise<number>((resolve) => {
        client.socket.once('close', () => {
          publisher.isClosed = true
          resolve(performance.now())
        })
      })
      const publisher: Publisher = { name, topic, client, acknowledged: 0, closed, isClosed: false }
      return publisher
    })
    publishers.push(...(await Promise.all(some)))
  }
  return publishers
}

const payloadOf = (number: number): string => `{"temperature":${number}}`

/** Publishes one message after the other until it is told to stop, or is disconnected. */
async function publishOn(publisher: Publisher, stop: AbortSignal): Promise<void> {
  const { client, topic } = publisher
  await delay(Math.random() * PUBLISH_EVERY_MS) // so that not all come at the same moment
  while (!stop.aborted) {
    const messageId = publisher.acknowledged + 1
    const payload = payloadOf(messageId)
    client.send({ cmd: 'publish', topic, payload, messageId, qos: 1, retain: false, dup: false })
    try {
      await client.count('puback', messageId)
    } catch {
      return // disconnected, which is judged by `isClosed`
    }
    publisher.acknowledged = messageId
    await delay(PUBLISH_EVERY_MS)
  }
}

/** Everything that a subscriber is sent, as `topic payload`. */
async function collect(server: Server) {
  const url = `mqtt://127.0.0.1:${server.port('mqtt')}`
  const subscriber = await connectAsync(url, { ...ADMINISTRATOR, reconnectPeriod: 0 })
  onTestFinished(() => subscriber.endAsync(true))
  const received = new Set<string>()
  let look = (): void => undefined
  subscriber.on('message', (topic, payload) => {
    received.add(`${topic} ${payload}`)
    look()
  })
  await subscriber.subscribeAsync(['load/#', 'devices/#'], { qos: 1 })
  return (expected: readonly string[]) =>
    new Promise<void>((resolve) => {
      const missing = new Set(expected)
      look = () => {
        for (const one of missing) {
          if (!received.has(one)) return
          missing.delete(one)
        }
        resolve()
      }
      look()
    })
}

const acknowledgedBy = (publishers: readonly Publisher[], atLeast: number): Promise<unknown> =>
  Promise.all(publishers.map(({ client }) => client.count('puback', atLeast)))

const messagesOf = ({ topic, acknowledged }: Publisher): string[] =>
  Array.from({ length: acknowledged }, (_, index) => `${topic} ${payloadOf(index + 1)}`)

it('A tenth of 1,000 publishing clients that is revoked is out within a second, and nobody else loses a message', async () => {
  // The subscriber is one client among a thousand publishers, and is to miss nothing however busy the machine is.
  const { server, paths } = await startWithRules(filesWithout(0), { MAX_QUEUED_MESSAGES: '65535' })
  const arrived = await collect(server)
  const publishers = await connectAll(server)
  const stop = new AbortController()
  const publishing = publishers.map((publisher) => publishOn(publisher, stop.signal))
  await acknowledgedBy(publishers, 1)

  const broken = await readAfter(server, async () => {
    await writeFile(paths.passwd, `${ADMINISTRATOR_LINE}broken:hash\n`)
    await writeFile(paths.acl, 'broken\n')
    server.kill('SIGHUP')
  })
  expect(broken.filter(({ level }) => level === 'error')).toHaveLength(2)
  await acknowledgedBy(publishers, 2)
  expect(publishers.filter(({ isClosed }) => isClosed)).toEqual([])

  let groups = 0
  const tookMs: number[] = []
  while (groups < MEASUREMENTS && !tookMs.some((ms) => ms < WITHIN_MS)) {
    const revoked = publishers.slice(groups * GROUP, (groups + 1) * GROUP)
    groups += 1
    const files = filesWithout(groups)
    await writeFile(paths.passwd, files.passwd)
    await writeFile(paths.acl, files.acl)
    const sentAtMs = performance.now()
    server.kill('SIGHUP')
    const closedAtMs = await Promise.all(revoked.map(({ closed }) => closed))
    tookMs.push(Math.max(...closedAtMs) - sentAtMs)
  }
  expect(Math.min(...tookMs)).toBeLessThan(WITHIN_MS)

  const allowed = publishers.slice(groups * GROUP)
  const soFar = Math.max(...allowed.map(({ acknowledged }) => acknowledged))
  await acknowledgedBy(allowed, soFar + 1)
  stop.abort()
  await Promise.all(publishing)
  expect(allowed.filter(({ isClosed }) => isClosed)).toEqual([])
  await arrived(allowed.flatMap(messagesOf))

  const url = pathToFileURL(join(server.folder, 'data', 'damselfly.db')).href
  const database = createClient({ url, timeout: 5000 })
  onTestFinished(() => database.close())
  const { rows } = await database.execute(
    `SELECT device_main.device_id AS name, COUNT(*) AS stored FROM device_sensor_history
     JOIN device_main ON device_main.id = device_sensor_history.device_id GROUP BY name`,
  )
  const stored = new Map(rows.map((row) => [String(row['name']), Number(row['stored'])]))
  const devices = allowed.filter(({ topic }) => topic.startsWith('devices/'))
  expect(devices.map(({ name }) => stored.get(name))).toEqual(devices.map(({ acknowledged }) => acknowledged))
}, 90_000)
