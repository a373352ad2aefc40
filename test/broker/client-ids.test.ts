import { Redis } from 'ioredis'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createClientIds } from '#src/broker/client-ids.js'
import { createEnding } from '#src/ending/ending.js'
import { addDevice } from '../support/command.js'
import { folderWithUsers } from '../support/config-folder.js'
import { connectRaw, type RawClient } from '../support/raw-client.js'
import { startRedis } from '../support/redis.js'
import { type Server, startServer } from '../support/server.js'

const IDENTIFIER_REJECTED = 2
const users = { ann: 'password', bob: 'password' }
const acl = 'topic #\nuser ann\ntopic #\nuser bob\ntopic #\n'
const clientId = 'the client id'

async function startWithUsers(environment: Readonly<Record<string, string>> = {}): Promise<Server> {
  return startServer({ ALLOW_ANONYMOUS: 'true', ...environment }, await folderWithUsers(users, acl))
}

const logIn = (server: Server, username?: string, password = 'password'): Promise<RawClient> =>
  connectRaw(server.port('mqtt'), {
    clientId,
    ...(username === undefined ? {} : { username, password: Buffer.from(password) }),
  })

/** Publishes and waits for the answer. */
async function works(client: RawClient): Promise<void> {
  const before = client.received.filter(({ cmd }) => cmd === 'puback').length
  client.send({ cmd: 'publish', topic: 'a', payload: 'b', qos: 1, messageId: 1, dup: false, retain: false })
  await client.count('puback', before + 1)
}

async function isRefused(server: Server, username?: string): Promise<void> {
  const client = await logIn(server, username)
  expect(client.connack.returnCode).toBe(IDENTIFIER_REJECTED)
  await client.closed
}

/** A login that is tried again until the server knows that the client before has gone. */
async function logInAfter(server: Server, username?: string): Promise<RawClient> {
  for (;;) {
    const client = await logIn(server, username)
    if (client.connack.returnCode === 0) return client
    expect(client.connack.returnCode).toBe(IDENTIFIER_REJECTED)
  }
}

describe('The client id of a connected client', () => {
  it('is refused to every other user with CONNACK 2, which the log tells, and the first goes on', async () => {
    const server = await startWithUsers()
    const first = await logIn(server, 'ann')
    await isRefused(server, 'bob')
    await isRefused(server)
    for (const user of ['bob', undefined]) {
      const line = await server.logged((one) => one.msg === 'a login was refused' && one['user'] === user)
      expect(line).toMatchObject({ client: clientId, reason: 'its client id is in use by another user' })
    }
    await works(first)
    const gone = logInAfter(server, 'bob')
    first.send({ cmd: 'disconnect' })
    await works(await gone)
    await isRefused(server, 'ann')
  })

  it.each([
    ['the same user', 'ann'],
    ['an anonymous client, which is the same user as any other,', undefined],
  ])('[MQTT-3.1.4-2] is taken over by %s', async (_who, user) => {
    const server = await startWithUsers()
    const first = await logIn(server, user)
    const second = await logIn(server, user)
    expect(second.connack.returnCode).toBe(0)
    await first.closed
    await works(second)
    await isRefused(server, 'bob')
  })

  it('[MQTT-3.1.4-2] is taken over by the same device under its other name, and by no other device', async () => {
    const server = await startWithUsers()
    const [device, another] = [await addDevice(server.folder), await addDevice(server.folder)]
    const first = await logIn(server, device.deviceId, device.secret)
    const refused = await logIn(server, another.uuid, another.secret)
    expect(refused.connack.returnCode).toBe(IDENTIFIER_REJECTED)
    await works(first)
    const second = await logIn(server, device.uuid, device.secret)
    await first.closed
    await works(second)
  })

  it('is nothing that a wrong password takes away', async () => {
    const server = await startWithUsers()
    const first = await logIn(server, 'ann')
    expect((await logIn(server, 'ann', 'wrong')).connack.returnCode).toBe(5)
    await works(first)
  })
})

describe('The client id of a client on another server', () => {
  it('is refused to another user, taken over by its own, and free when that has gone', async () => {
    const redis = await startRedis()
    const REDIS_URL = redis.url
    const [one, two] = [await startWithUsers({ REDIS_URL }), await startWithUsers({ REDIS_URL })]
    const first = await logIn(one, 'ann')
    await isRefused(two, 'bob')
    await isRefused(two)
    await works(first)
    const second = await logIn(two, 'ann')
    expect(second.connack.returnCode).toBe(0)
    await first.closed
    await works(second)
    await isRefused(one, 'bob')
    const gone = logInAfter(one, 'bob')
    second.send({ cmd: 'disconnect' })
    await works(await gone)
    await isRefused(two, 'ann')
  })

  it('that was killed is its own user’s at once, and another’s when the key in Redis has run out', async () => {
    const redis = await startRedis()
    const REDIS_URL = redis.url
    const [one, two] = [await startWithUsers({ REDIS_URL }), await startWithUsers({ REDIS_URL })]
    const first = await logIn(one, 'ann')
    one.kill('SIGKILL')
    await Promise.all([one.ended, first.closed])
    await isRefused(two, 'bob')
    const keys = new Redis(redis.url)
    onTestFinished(() => keys.disconnect())
    const timeToLive = await keys.pttl(`damselfly:client-id:${clientId}`)
    expect(timeToLive).toBeGreaterThan(0)
    expect(timeToLive).toBeLessThanOrEqual(60_000)
    const second = await logIn(two, 'ann')
    expect(second.connack.returnCode).toBe(0)
    await works(second)
    await keys.del(`damselfly:client-id:${clientId}`)
    await isRefused(two, 'bob')
  })
})

describe('A client id that was given to a client', () => {
  /** The ids that other instances see as held, each claim answered when the test says so. */
  function shared() {
    const held = new Set<string>()
    const answers: (() => void)[] = []
    return {
      held,
      answer: () => answers.shift()?.(),
      claim: (id: string) =>
        new Promise<boolean>((resolve) => {
          held.add(id)
          answers.push(() => resolve(true))
        }),
      release: (id: string) => void held.delete(id),
    }
  }

  it('is free again when the client has left before the other instances have answered', async () => {
    const others = shared()
    const ids = createClientIds(others)
    const ending = createEnding()
    const claimed = ids.claim('id', 'user ann', { ending })
    ending.end()
    others.answer()
    expect(await claimed).toBe(false)
    expect([...others.held]).toEqual([])
  })

  it('stays with the client that took it over while the one before leaves', async () => {
    const others = shared()
    const ids = createClientIds(others)
    const [first, second] = [createEnding(), createEnding()]
    for (const ending of [first, second]) {
      const claimed = ids.claim('id', 'user ann', { ending })
      others.answer()
      expect(await claimed).toBe(true)
    }
    first.end()
    expect([...others.held]).toEqual(['id'])
    expect(await ids.claim('id', 'user bob', { ending: first })).toBe(false)
    second.end()
    expect([...others.held]).toEqual([])
  })
})
