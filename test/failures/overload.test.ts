import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { createClient } from '@libsql/client'
import { connectAsync } from 'mqtt'
import { expect, onTestFinished, test } from 'vitest'
import { connectRaw, type RawClient } from '../support/raw-client.js'
import { reportOf, startReporting } from '../support/reporting-device.js'
import { ADMINISTRATOR, type Server, startServer } from '../support/server.js'

const MEBIBYTE = 1024 * 1024

/** docs/failures.md: what the process has at rest, its full queue in the forms in which it is there, and garbage. */
const STATED_BOUND = 600 * MEBIBYTE

const login = () => ({ username: ADMINISTRATOR.username, password: Buffer.from(ADMINISTRATOR.password) })

/** What the process has in memory, bytes. (proc(5), /proc/pid/status) */
async function residentBytes(server: Server): Promise<number> {
  const status = await readFile(`/proc/${server.pid}/status`, 'utf8')
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024
}

/** Longer than the processes of a busy machine wait for their turn: the floods are of this one. */
const KEEP_ALIVE_S = 5

/** A client of a usual kind, which sends nothing but what keeps its connection alive. */
async function connectPatient(server: Server) {
  const { username, password } = ADMINISTRATOR
  const options = { username, password, keepalive: KEEP_ALIVE_S, reconnectPeriod: 0 }
  const client = await connectAsync(`mqtt://127.0.0.1:${server.port('mqtt')}`, options)
  onTestFinished(() => client.endAsync(true))
  let pongs = 0
  const watchers = new Set<() => void>()
  client.on('error', () => undefined) // seen by `answered`
  client.on('packetreceive', ({ cmd }) => {
    if (cmd === 'pingresp') pongs += 1
    for (const watch of watchers) watch()
  })
  return {
    isConnected: () => client.connected,
    leave: () => client.endAsync(),
    answered: (times: number) =>
      new Promise<void>((resolve, reject) => {
        const goal = pongs + times
        if (!client.connected) reject(new Error('the patient client has been disconnected'))
        watchers.add(() => pongs >= goal && resolve())
        client.on('close', () => reject(new Error('the patient client was disconnected')))
      }),
  }
}

const PADDING = 'x'.repeat(25_000)

/** Of each QoS: 4 MiB are read of each that has no window, and all together fill the queue. */
const FLOODERS = 9

const report = (name: string, number: number, qos: 0 | 1 | 2) => ({
  ...reportOf(name, number, qos),
  payload: `{"value":${number},"status":{"text":"${PADDING}"}}`,
})

/** Few enough that the clients of this process, all together, come to read what they get. */
const SENT_TOGETHER = 10

/** Sends as fast as the connection takes it, until `isStopped`; resolves with how many were sent. */
async function flood(client: RawClient, name: string, qos: 0 | 1, isStopped: () => boolean): Promise<number> {
  let number = 0
  while (!isStopped()) {
    const some = Array.from({ length: SENT_TOGETHER }, (_, index) => report(name, number + index + 1, qos))
    number += some.length
    client.send(...some)
    while (client.socket.writableNeedDrain && !isStopped()) await nextTurn()
    await nextTurn()
  }
  return number
}

/** Messages of QoS 2 that a client has on their way at once, as Mosquitto's clients do. (mosquitto.conf(5)) */
const WINDOW = 20

/** The same at QoS 2, where a client releases what was received. */
async function floodExactlyOnce(client: RawClient, name: string, isStopped: () => boolean): Promise<number> {
  let [number, released] = [0, 0]
  while (!isStopped() || released < number) {
    const received = client.received.filter(({ cmd }) => cmd === 'pubrec').length
    for (; released < received; released++) client.send({ cmd: 'pubrel', messageId: released + 1 })
    for (; number < received + WINDOW && !isStopped(); number++) client.send(report(name, number + 1, 2))
    await nextTurn()
  }
  return number
}

test('a store that takes nothing while clients publish as fast as they can: memory is bounded, acknowledgements wait, nobody who behaves is disconnected, and what is acknowledged is stored', async () => {
  const server = await startServer({ SPOOL_MAX_MB: '0' })
  const lock = createClient({
    url: pathToFileURL(join(server.folder, 'data', 'damselfly.db')).href,
    timeout: 20_000,
  })
  onTestFinished(() => lock.close())
  const steady = await startReporting(server, 'steady')
  const patient = await connectPatient(server)
  const flooders = await Promise.all(
    Array.from({ length: FLOODERS }, () => [0, 1, 2] as const)
      .flat()
      .map(async (qos, index) => {
        const client = await connectRaw(server.port('mqtt'), login())
        const name = `flooder-${index}`
        client.send({ ...reportOf(name, 0, 1), messageId: 1 }) // its device is known before the database is away
        await client.count('puback', 1)
        return { client, name, qos }
      }),
  )
  const transaction = await lock.transaction('write')
  let isOver = false
  const floods = flooders.map(({ client, name, qos }) =>
    qos === 2 ? floodExactlyOnce(client, name, () => isOver) : flood(client, name, qos, () => isOver),
  )
  const told = await server.logged(({ msg }) =>
    msg.startsWith('the database does not take messages; nothing is'),
  )
  expect(told['waiting']).toBeGreaterThan(0)
  const answers = () => flooders.map(({ client }) => client.received.length)
  const before = answers()
  await patient.answered(2)
  expect(answers()).toEqual(before)
  expect(await residentBytes(server)).toBeLessThan(STATED_BOUND)

  transaction.close()
  await server.logged(({ msg }) => msg === 'the database takes writes again')
  await steady.goesOn(5)
  isOver = true
  const sent = await Promise.all(floods)
  for (const [index, { client, qos }] of flooders.entries()) {
    if (qos === 1) await client.count('puback', 1 + (sent[index] ?? 0))
    client.send({ cmd: 'pingreq' })
    await client.count('pingresp', 1)
  }
  await steady.finish()
  expect(patient.isConnected()).toBe(true)
  await patient.leave()
  expect(await residentBytes(server)).toBeLessThan(STATED_BOUND)
  server.kill('SIGTERM')
  await server.ended
  const total = sent.reduce((sum, count) => sum + count, flooders.length + steady.acknowledged())
  const summary = server.log.findLast(({ msg }) => msg === 'summary')
  expect(summary).toMatchObject({ received: total, rejected: {}, waiting: 0, nothingAcknowledgedSince: null })
  expect(summary?.['dropped']).toBeGreaterThan(0)
  expect(Number(summary?.['stored']) + Number(summary?.['dropped'])).toBe(total)
  const { rows } = await lock.execute(
    'SELECT name, count(DISTINCT value) AS readings FROM device_main m JOIN device_sensor_history h ON h.device_id = m.id GROUP BY m.id',
  )
  const stored = new Map(rows.map((row) => [row['name'], row['readings']]))
  for (const [index, { name, qos }] of flooders.entries()) {
    if (qos > 0) expect(stored.get(name)).toBe(1 + (sent[index] ?? 0))
  }
}, 180_000)
