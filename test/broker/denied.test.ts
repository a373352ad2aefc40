import { pino } from 'pino'
import { describe, expect, it, onTestFinished } from 'vitest'
import { startBroker } from '#src/broker/broker.js'
import { createGate } from '#src/listen/gate.js'
import { listenTcp } from '#src/listen/tcp.js'
import { summarize } from '#src/metrics/summary.js'
import { createTally, sumOf } from '#src/metrics/tally.js'
import { authenticatorWith, passwordsOf, rulesOf } from '../support/authenticator.js'
import { testDelivery } from '../support/broker.js'
import { addDevice } from '../support/command.js'
import { folderWithUsers } from '../support/config-folder.js'
import { connectRaw, type RawClient } from '../support/raw-client.js'
import { type LogLine, startServer } from '../support/server.js'
import { openTestSessions } from '../support/sessions.js'

const acl = 'user ann\ntopic read news\ntopic readwrite work/#\ntopic deny work/secret/#\n'

/** Publishes `a`, `b`, … at QoS 1 to the topics, and waits for the answers. */
async function publishTo(client: RawClient, ...topics: string[]): Promise<void> {
  const before = client.received.filter(({ cmd }) => cmd === 'puback').length
  client.send(
    ...topics.map((topic, index) => ({
      ...({ cmd: 'publish', topic, payload: 'x', qos: 1, messageId: index + 1 } as const),
      ...{ dup: false, retain: false },
    })),
  )
  await client.count('puback', before + topics.length)
}

/** A broker in this process, whose log is kept, and two users. */
async function startLogged() {
  const lines: Record<string, unknown>[] = []
  const log = pino(
    { base: null, level: 'info' },
    { write: (line: string) => void lines.push(JSON.parse(line)) },
  )
  const tally = createTally()
  const passwords = passwordsOf({ ann: 'password', bob: 'password' })
  const broker = await startBroker({
    authenticator: authenticatorWith({ rules: rulesOf(passwords, { acl }) }),
    ingest: { handle: () => false, idle: async () => undefined },
    sessions: await openTestSessions(tally, log),
    presence: { begin: () => () => undefined },
    tally,
    log,
    delivery: testDelivery,
    maxPacketBytes: 1_048_576,
    maxKeepAliveSeconds: 65_535,
  })
  const listener = await listenTcp({ host: '127.0.0.1', port: 0 }, createGate(100, tally, log), broker)
  onTestFinished(async () => {
    listener.close()
    await broker.stop(1000)
  })
  const denied = () => lines.filter(({ msg }) => msg === 'a publish was denied')
  const logIn = (username: string, clientId: string) =>
    connectRaw(listener.port, { clientId, username, password: Buffer.from('password') })
  return { denied, logIn, tally }
}

describe('[MQTT-3.3.5-2] A denied publish', () => {
  it('is logged with client, user, topic and the rule that denied it', async () => {
    const { denied, logIn } = await startLogged()
    const client = await logIn('ann', 'c1')
    await publishTo(client, 'work/secret/a', 'news', 'work/a', '$SYS/x')
    const who = { level: 40, client: 'c1', user: 'ann' }
    expect(denied()).toMatchObject([
      { ...who, topic: 'work/secret/a', rule: 'acl.conf line 4: topic deny work/secret/#' },
      { ...who, topic: 'news', rule: 'no rule allows it' },
      { ...who, topic: '$SYS/x', rule: 'nobody may publish below $SYS' },
    ])
  })

  it('is logged once a minute for each client and topic, and counted each time', async () => {
    const { denied, logIn, tally } = await startLogged()
    const one = await logIn('ann', 'c1')
    const other = await logIn('ann', 'c2')
    for (let time = 0; time < 3; time++) {
      await publishTo(one, 'news', 'else')
      await publishTo(other, 'news', 'work/a')
    }
    expect(denied().map(({ client, topic }) => [client, topic])).toEqual([
      ['c1', 'news'],
      ['c1', 'else'],
      ['c2', 'news'],
    ])
    expect(tally.publishesDenied).toBe(9)
    const summary = summarize(tally, { receivedAt: 0, storedAt: 0, timeMs: 0 }, 1000)
    expect(summary).toMatchObject({ denied: 9, loginsFailed: 0 })
  })

  it('is logged with a name and a topic of bounded length', async () => {
    const { denied, logIn } = await startLogged()
    const client = await logIn('ann', 'c'.repeat(1000))
    await publishTo(client, 't'.repeat(1000))
    expect(denied()).toMatchObject([{ client: 'c'.repeat(64), topic: 't'.repeat(256) }])
  })

  it('is told by the file and the line on a running server', async () => {
    const server = await startServer({}, await folderWithUsers({ ann: 'password' }, acl))
    const client = await connectRaw(server.port('mqtt'), {
      username: 'ann',
      password: Buffer.from('password'),
    })
    await publishTo(client, 'work/secret/a')
    expect(await server.logged(({ msg }) => msg === 'a publish was denied')).toMatchObject({
      level: 'warn',
      rule: 'config/acl.conf line 4: topic deny work/secret/#',
    })
  })
})

describe('A refused login', () => {
  it('is logged with its reason, and counted', async () => {
    const { logIn, tally } = await startLogged()
    expect((await logIn('nobody', 'c1')).connack.returnCode).toBe(5)
    expect((await logIn('ann', 'c1')).connack.returnCode).toBe(0)
    expect((await logIn('bob', 'c1')).connack.returnCode).toBe(2)
    expect(sumOf(tally.loginsRefused)).toBe(2)
    const server = await startServer()
    const refused = async (login: Parameters<typeof connectRaw>[1], expected: Partial<LogLine>) => {
      expect((await connectRaw(server.port('mqtt'), login)).connack.returnCode).toBe(5)
      const { user, reason } = expected
      const isIt = (line: LogLine) =>
        line.msg === 'a login was refused' && line['user'] === user && line['reason'] === reason
      expect(await server.logged(isIt)).toMatchObject({
        level: 'warn',
        transport: 'tcp',
        address: '127.0.0.1',
      })
    }
    await refused({}, { user: undefined, reason: 'no user name' })
    const wrong = { user: 'u'.repeat(64), reason: 'wrong user name or password' }
    await refused({ username: 'u'.repeat(1000), password: Buffer.from('hidden') }, wrong)
    expect(JSON.stringify(server.log)).not.toContain('hidden')
  })
})

describe('A user of passwd with the name of a device', () => {
  it('is told at the start, and is the user', async () => {
    const folder = await folderWithUsers({ ann: 'password' })
    const device = await addDevice(folder)
    const named = await folderWithUsers({ ann: 'password', [device.deviceId]: 'password' })
    const database = { DATABASE_URL: `sqlite:${folder}/data/damselfly.db` }
    const server = await startServer(database, named)
    const isWarning = ({ msg }: LogLine) => msg.includes('has the name of a device')
    expect(await server.logged(isWarning)).toMatchObject({ level: 'warn', user: device.deviceId })
    expect(server.log.filter(isWarning)).toHaveLength(1)
    const logIn = async (username: string, password: string) =>
      (await connectRaw(server.port('mqtt'), { username, password: Buffer.from(password) })).connack
        .returnCode
    expect(await logIn(device.deviceId, 'password')).toBe(0)
    expect(await logIn(device.deviceId, device.secret)).toBe(5)
    expect(await logIn(device.uuid, device.secret)).toBe(0)
  })
})
