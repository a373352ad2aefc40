import { once } from 'node:events'
import { createServer, connect as dial, type Socket } from 'node:net'
import type { MqttClient } from 'mqtt'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { folderWithUsers } from '../support/config-folder.js'
import { startRedis } from '../support/redis.js'
import { type Server, startServer } from '../support/server.js'
import { comingTo, connectTo, messages, readyz } from '../support/server-clients.js'

// An instance counts as dead after 9 s, and three are started in a test.
vi.setConfig({ testTimeout: 120_000 })

const hasEnded = ({ msg }: { msg: string }): boolean =>
  msg === 'sessions whose clients stayed away have ended'

describe('The wills of an instance that was killed', () => {
  const passwords = { ann: 'a' }
  const acl = 'user ann\ntopic write may\n'
  const ann = { username: 'ann', password: 'a' } as const

  /** Clients with wills, one of which its user may not publish. */
  async function leaveWills(server: Server): Promise<void> {
    const wills = ['may', 'may not'].map(
      (topic) => ({ topic, payload: topic, qos: 1, retain: false }) as const,
    )
    for (const will of wills) await connectTo(server, { ...ann, clientId: will.topic, will })
    await connectTo(server, {
      clientId: 'admin',
      will: { topic: 'may', payload: 'bye', qos: 2, retain: true },
    })
  }

  it('are published by another, once, and only those that their clients might publish', async () => {
    const { url: REDIS_URL } = await startRedis()
    const start = async () => startServer({ REDIS_URL }, await folderWithUsers(passwords, acl))
    const [one, two, three] = [await start(), await start(), await start()]
    const watcher = await connectTo(two, { clientId: 'watcher' })
    await watcher.subscribeAsync('may', { qos: 2 })
    const seen: string[] = []
    watcher.on('message', (_topic, payload) => void seen.push(payload.toString()))
    const both = messages(watcher, 2)
    await leaveWills(one)
    one.kill('SIGKILL')
    expect((await both).sort()).toEqual(['bye', 'may'])
    // Those who might publish them again have looked by the time at which a later instance's are out.
    const again = messages(watcher, 1)
    await connectTo(three, { will: { topic: 'may', payload: 'third', qos: 1, retain: false } })
    three.kill('SIGKILL')
    await again
    expect(seen.sort()).toEqual(['bye', 'may', 'third'])
  })

  it('are published by the one that is started after it, also to a session that is away', async () => {
    const { url: REDIS_URL } = await startRedis()
    const folder = await folderWithUsers(passwords, acl)
    const first = await startServer({ REDIS_URL }, folder)
    const before = await connectTo(first, { clientId: 'away', clean: false })
    await before.subscribeAsync('may', { qos: 1 })
    await before.endAsync()
    await leaveWills(first)
    first.kill('SIGKILL')
    await first.ended
    const second = await startServer({ REDIS_URL }, folder)
    const back = comingTo(second, { clientId: 'away', clean: false })
    expect((await messages(back, 2)).sort()).toEqual(['bye', 'may'])
  })
})

describe('The wills of an instance that is stopped', () => {
  it('are published once, to a session that is away and to those on another instance', async () => {
    const { url: REDIS_URL } = await startRedis()
    const [one, two] = [await startServer({ REDIS_URL }), await startServer({ REDIS_URL })]
    const before = await connectTo(two, { clientId: 'away', clean: false })
    await before.subscribeAsync('will', { qos: 1 })
    await before.endAsync()
    const watcher = await connectTo(two)
    await watcher.subscribeAsync('will', { qos: 1 })
    const got = messages(watcher, 2)
    for (const payload of ['1', '2']) {
      await connectTo(one, { will: { topic: 'will', payload, qos: 1, retain: false } })
    }
    one.kill('SIGTERM')
    expect((await got).sort()).toEqual(['1', '2'])
    expect(await one.ended).toBe(0)
    await connectTo(two).then((client) => client.publishAsync('will', 'end', { qos: 1 }))
    const back = comingTo(two, { clientId: 'away', clean: false })
    expect((await messages(back, 3)).sort()).toEqual(['1', '2', 'end'])
  })
})

describe('Sessions of several instances', () => {
  it('queue nothing for long that their clients may not receive', async () => {
    const { url: REDIS_URL } = await startRedis()
    const folder = await folderWithUsers({ ann: 'a' }, 'user ann\ntopic read q/yes\n')
    const server = await startServer({ REDIS_URL, MAX_QUEUED_MESSAGES: '3' }, folder)
    const ann = { username: 'ann', password: 'a', clientId: 'ann', clean: false } as const
    const [here, sender] = [await connectTo(server, ann), await connectTo(server)]
    await here.subscribeAsync('q/#', { qos: 1 })
    const last = messages(here, 1)
    for (let count = 0; count < 5; count += 1) await sender.publishAsync('q/no', 'no', { qos: 1 })
    await sender.publishAsync('q/yes', '0', { qos: 1 })
    expect(await last).toEqual(['0'])
    await here.endAsync()
    for (const payload of ['1', '2', '3']) await sender.publishAsync('q/yes', payload, { qos: 1 })
    expect(await messages(comingTo(server, ann), 3)).toEqual(['1', '2', '3'])
  })

  it('[MQTT-4.1.0-2] end when their clients stay away for longer than SESSION_EXPIRY_S, and not while they are connected', async () => {
    const { url: REDIS_URL } = await startRedis()
    const settings = { REDIS_URL, SESSION_EXPIRY_S: '1' }
    const [one, two] = [await startServer(settings), await startServer(settings)]
    for (const clientId of ['stays', 'away']) {
      const client = await connectTo(two, { clientId, clean: false })
      await client.subscribeAsync('q', { qos: 1 })
      if (clientId === 'away') await client.endAsync()
    }
    const sender = await connectTo(one)
    await sender.publishAsync('q', 'waits', { qos: 1 })
    expect(await Promise.race([one.logged(hasEnded), two.logged(hasEnded)])).toMatchObject({ sessions: 1 })
    expect(await isPresent(comingTo(one, { clientId: 'away', clean: false }))).toBe(false)
    expect(await isPresent(comingTo(one, { clientId: 'stays', clean: false }))).toBe(true)
  })

  it('get from an instance that was cut off from Redis what others published and changed meanwhile', async () => {
    const redis = await startRedis()
    const cable = await startCable(redis.port)
    const one = await startServer({ REDIS_URL: redis.url })
    const two = await startServer({ REDIS_URL: `redis://127.0.0.1:${cable.port}`, HTTP_PORT: '0' })
    const [sender, here] = [await connectTo(one), await connectTo(two, { clientId: 'here', clean: false })]
    await here.subscribeAsync('q/#', { qos: 1 })
    const got = messages(here, 4)
    await sender.publishAsync('q/a', '1', { qos: 1 })
    cable.cut()
    while ((await readyz(two)).status !== 503);
    await sender.publishAsync('q/a', '2', { qos: 1 })
    await sender.publishAsync('q/b', '3', { qos: 2 })
    const away = await connectTo(one, { clientId: 'away', clean: false })
    await away.subscribeAsync('new', { qos: 1 })
    await away.endAsync()
    cable.mend()
    while ((await readyz(two)).status !== 200);
    await sender.publishAsync('q/a', '4', { qos: 1 })
    expect(await got).toEqual(['1', '2', '3', '4'])
    await (await connectTo(two)).publishAsync('new', 'is queued', { qos: 1 })
    const back = comingTo(one, { clientId: 'away', clean: false })
    expect(await messages(back, 1)).toEqual(['is queued'])
  })
})

/** Whether its CONNACK says that there is a session. */
function isPresent(client: MqttClient): Promise<boolean> {
  return new Promise((resolve) => client.once('connect', ({ sessionPresent }) => resolve(sessionPresent)))
}

/** A way to a port of 127.0.0.1 that can be interrupted. */
async function startCable(to: number): Promise<{ port: number; cut(): void; mend(): void }> {
  let isCut = false
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    if (isCut) {
      socket.destroy()
      return
    }
    const other = dial(to, '127.0.0.1')
    for (const end of [socket, other]) {
      sockets.add(end)
      end.on('error', () => undefined)
      end.on('close', () => {
        socket.destroy()
        other.destroy()
      })
    }
    socket.pipe(other).pipe(socket)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const cut = (): void => {
    isCut = true
    for (const socket of sockets) socket.destroy()
  }
  onTestFinished(() => {
    cut()
    server.close()
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return {
    port: address.port,
    cut,
    mend: () => {
      isCut = false
    },
  }
}
