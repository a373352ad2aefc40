import { stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { createClient } from '@libsql/client'
import type { IConnectPacket, IPublishPacket, ISubscribePacket, Packet } from 'mqtt-packet'
import { describe, expect, it, onTestFinished } from 'vitest'
import { damselfly } from '../support/command.js'
import { connectRaw, type RawClient } from '../support/raw-client.js'
import { ADMINISTRATOR, type Server, spawnServer, startServer } from '../support/server.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const isPublish = (packet: Packet): packet is IPublishPacket => packet.cmd === 'publish'

const logIn = (server: Server, options: Partial<IConnectPacket> = {}): Promise<RawClient> =>
  connectRaw(server.port('mqtt'), {
    ...ADMINISTRATOR,
    password: Buffer.from(ADMINISTRATOR.password),
    ...options,
  })

const back = { clientId: 'comes back', clean: false } as const

const publish = (messageId: number, qos: 0 | 1 | 2, more: Partial<IPublishPacket> = {}): IPublishPacket => ({
  ...{ cmd: 'publish', topic: 'queue/a', payload: String(messageId), messageId, qos },
  ...{ dup: false, retain: false, ...more },
})

const subscribe = (...filters: readonly (readonly [topic: string, qos: 0 | 1 | 2])[]): ISubscribePacket => ({
  cmd: 'subscribe',
  messageId: 1,
  subscriptions: filters.map(([topic, qos]) => ({ topic, qos })),
})

const payloads = (client: RawClient): string[] =>
  client.received.filter(isPublish).map(({ payload }) => payload.toString())

/** What comes to a session of `leaveSession` before a message that is published now, which is the last. */
async function everything(client: RawClient): Promise<string[]> {
  client.send(publish(65_535, 1, { topic: 'queue/end', payload: 'end' }))
  await client.next((packet): packet is IPublishPacket => isPublish(packet) && packet.topic === 'queue/end')
  return payloads(client).slice(0, -1)
}

const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1)

/** Subscribes in a session of its own, and leaves. */
async function leaveSession(server: Server, qos: 1 | 2): Promise<void> {
  const client = await logIn(server, back)
  client.send(subscribe(['queue/#', qos]))
  await client.count('suback', 1)
  client.send({ cmd: 'disconnect' })
  await client.closed
}

/** Kills the server without a warning, and starts another in its folder. */
async function restart(server: Server, environment = {}): Promise<Server> {
  server.kill('SIGKILL')
  await server.ended
  return startServer(environment, server.folder)
}

/** Answers what comes at QoS 1 and 2 as a client does, also what came in one read with the CONNACK. */
function answering(client: RawClient): RawClient {
  let answered = 0
  const answer = (): void => {
    for (const packet of client.received.slice(answered)) {
      answered += 1
      const { messageId = 0 } = packet
      if (isPublish(packet) && packet.qos === 1) client.send({ cmd: 'puback', messageId })
      if (isPublish(packet) && packet.qos === 2) client.send({ cmd: 'pubrec', messageId })
      if (packet.cmd === 'pubrel') client.send({ cmd: 'pubcomp', messageId })
    }
  }
  // Here the packet has been parsed: the listener that parses was there first.
  client.socket.on('data', answer)
  answer()
  return client
}

describe('After kill -9', () => {
  it.each([1, 2] as const)(
    'whoever was away gets every message of QoS %i that was acknowledged, once and in order',
    async (qos) => {
      const server = await startServer()
      await leaveSession(server, 2)
      const publisher = await logIn(server)
      publisher.send(...numbers(500).map((id) => publish(id, qos)))
      await publisher.count(qos === 1 ? 'puback' : 'pubrec', 500)
      const second = await restart(server)
      const client = answering(await logIn(second, back))
      expect(client.connack.sessionPresent).toBe(true)
      await client.count('publish', 500)
      client.send({ cmd: 'pingreq' })
      await client.count('pingresp', 1)
      expect(payloads(client)).toEqual(numbers(500).map(String))
      expect(client.received.filter(isPublish).every((packet) => packet.qos === qos && !packet.dup)).toBe(
        true,
      )
    },
  )

  it('what is acknowledged while the server is killed is there, and nothing twice', async () => {
    const server = await startServer()
    await leaveSession(server, 1)
    const publisher = await logIn(server)
    publisher.send(...numbers(5000).map((id) => publish(id, 1)))
    await publisher.count('puback', 1)
    server.kill('SIGKILL')
    await publisher.closed
    const acknowledged = publisher.received.filter(({ cmd }) => cmd === 'puback').length
    const client = answering(await logIn(await restart(server, { MAX_QUEUED_MESSAGES: '10000' }), back))
    const received = await everything(client)
    expect(received).toEqual(numbers(received.length).map(String))
    expect(received.length).toBeGreaterThanOrEqual(Math.min(acknowledged, 1000))
  })

  it('[MQTT-3.2.2-2] a session is present that never had a subscription, or has lost its last one', async () => {
    const server = await startServer()
    expect(await beginSession(server)).toBe(false)
    const second = await restart(server)
    const client = await logIn(second, back)
    expect(client.connack.sessionPresent).toBe(true)
    client.send(subscribe(['queue/#', 1]), {
      cmd: 'unsubscribe',
      messageId: 2,
      unsubscriptions: ['queue/#'],
    })
    await client.count('unsuback', 1)
    expect(await beginSession(await restart(second))).toBe(true)
  })

  it('[MQTT-4.4.0-1] what was sent and not acknowledged comes with its packet identifier, and DUP', async () => {
    const server = await startServer()
    await leaveSession(server, 2)
    const publisher = await logIn(server)
    publisher.send(publish(1, 2), publish(2, 1))
    await publisher.count('puback', 1)
    const before = await logIn(server, back)
    const sent = (await before.count('publish', 2)).map(({ messageId }) => messageId)
    const after = await logIn(await restart(server), back)
    const again = await after.count('publish', 2)
    expect(again.map(({ messageId }) => messageId)).toEqual(sent)
    expect(again).toMatchObject([{ dup: true }, { dup: true }])
  })

  it('[MQTT-4.3.3-1] a QoS 2 message that its receiver has goes on with PUBREL', async () => {
    const server = await startServer()
    await leaveSession(server, 2)
    const publisher = await logIn(server)
    publisher.send(publish(1, 2))
    await publisher.count('pubrec', 1)
    const before = await logIn(server, back)
    const [{ messageId = 0 } = { messageId: 0 }] = await before.count('publish', 1)
    before.send({ cmd: 'pubrec', messageId })
    await before.count('pubrel', 1)
    const second = await restart(server)
    const after = answering(await logIn(second, back))
    expect(await after.count('pubrel', 1)).toMatchObject([{ messageId }])
    expect(await everything(after)).toEqual([])
    second.kill('SIGTERM') // what an acknowledgement ends may come once more after a SIGKILL
    await second.ended
    const last = await logIn(await startServer({}, second.folder), back)
    expect(await everything(last)).toEqual([])
    expect(last.received.filter(({ cmd }) => cmd === 'pubrel')).toEqual([])
  })

  it('[MQTT-4.3.3-2] a QoS 2 message that was received is not published again, until it is released', async () => {
    const server = await startServer()
    await leaveSession(server, 2)
    const session = { clientId: 'publisher', clean: false }
    const first = await logIn(server, session)
    first.send(publish(7, 2))
    await first.count('pubrec', 1)
    const second = await restart(server)
    const again = await logIn(second, session)
    again.send(publish(7, 2, { dup: true }))
    await again.count('pubrec', 1)
    again.send({ cmd: 'pubrel', messageId: 7 })
    await again.count('pubcomp', 1)
    const third = await restart(second)
    const another = await logIn(third, session)
    another.send(publish(7, 2, { payload: 'another' }))
    await another.count('pubrec', 1)
    const client = await logIn(third, back)
    expect(await everything(client)).toEqual(['7', 'another'])
  })

  it('[MQTT-3.3.1-5] retained messages of every QoS are there, and those that were cleared are not', async () => {
    const server = await startServer()
    const publisher = await logIn(server)
    const retain = (id: number, qos: 0 | 1 | 2, topic: string, payload = topic) =>
      publish(id, qos, { topic, payload, retain: true })
    publisher.send(
      retain(1, 0, 'r/0'),
      retain(2, 1, 'r/1'),
      retain(3, 2, 'r/2'),
      retain(4, 1, 'r/1', 'newer'),
    )
    publisher.send(retain(5, 1, 'r/gone'), retain(6, 1, 'r/gone', ''), retain(7, 1, 'r/é', 'accent'))
    await publisher.count('puback', 5)
    const client = await logIn(await restart(server))
    client.send(subscribe(['r/#', 2]))
    await client.count('publish', 4)
    const found = client.received.filter(isPublish).map(({ topic, payload, qos, retain: isRetained }) => {
      expect(isRetained).toBe(true)
      return `${topic} ${payload} ${qos}`
    })
    expect(found.sort()).toEqual(['r/0 r/0 0', 'r/1 newer 1', 'r/2 r/2 2', 'r/é accent 1'])
  })

  it('[MQTT-3.1.2-6] a session that a clean one has ended is gone, with what waited in it', async () => {
    const server = await startServer()
    await leaveSession(server, 1)
    const publisher = await logIn(server)
    publisher.send(publish(1, 1))
    await publisher.count('puback', 1)
    await logIn(server, { ...back, clean: true })
    const client = await logIn(await restart(server), back)
    expect(client.connack.sessionPresent).toBe(false)
    client.send({ cmd: 'pingreq' })
    await client.count('pingresp', 1)
    expect(payloads(client)).toEqual([])
  })

  it('an acknowledged UNSUBSCRIBE still holds', async () => {
    const server = await startServer()
    const before = await logIn(server, back)
    before.send(subscribe(['queue/#', 1], ['other', 1]))
    await before.count('suback', 1)
    before.send({ cmd: 'unsubscribe', messageId: 2, unsubscriptions: ['queue/#'] })
    await before.count('unsuback', 1)
    const second = await restart(server)
    const publisher = await logIn(second)
    publisher.send(publish(1, 1), publish(2, 1, { topic: 'other' }))
    await publisher.count('puback', 2)
    const client = await logIn(second, back)
    await client.count('publish', 1)
    expect(payloads(client)).toEqual(['2'])
  })

  it('[MQTT-3.1.2-8] the will of a client of the killed server is published at the next start, once', async () => {
    const server = await startServer()
    await leaveSession(server, 1)
    const will = { topic: 'queue/will', payload: Buffer.from('gone'), qos: 1, retain: true } as const
    const taken = await logIn(server, { clientId: 'mortal', will: { ...will, payload: Buffer.from('old') } })
    await logIn(server, { clientId: 'mortal', will }) // takes over; the will of the first is published now
    await taken.closed
    const polite = await logIn(server, { clientId: 'polite', will: { ...will, topic: 'queue/no' } })
    polite.send({ cmd: 'disconnect' })
    await polite.closed
    const watcher = await logIn(server)
    watcher.send(subscribe(['queue/will', 1]))
    await watcher.count('publish', 1)
    const second = await restart(server)
    const client = answering(await logIn(second, back))
    expect(await everything(client)).toEqual(['old', 'gone'])
    const last = await logIn(await restart(second))
    last.send(subscribe(['queue/#', 1]))
    await last.count('publish', 1)
    expect(payloads(last)).toEqual(['gone'])
  })
})

/** Begins a session without a subscription, and leaves. */
async function beginSession(server: Server): Promise<boolean> {
  const client = await logIn(server, back)
  client.socket.destroy()
  await client.closed
  return client.connack.sessionPresent
}

describe('A server that is stopped and started', () => {
  it('goes on with its sessions', async () => {
    const server = await startServer()
    expect(server.log.find(({ msg }) => msg === 'ready')).toMatchObject({
      sessions: 'on disk in data/state.db',
    })
    await leaveSession(server, 1)
    const publisher = await logIn(server)
    publisher.send(...numbers(10).map((id) => publish(id, 1)))
    await publisher.count('puback', 10)
    server.kill('SIGTERM')
    expect(await server.ended).toBe(0)
    const client = await logIn(await startServer({}, server.folder), back)
    expect(await everything(client)).toEqual(numbers(10).map(String))
  })

  it('ends sessions whose clients were away for SESSION_EXPIRY_S, at the start and later', async () => {
    const server = await startServer()
    await leaveSession(server, 1)
    server.kill('SIGTERM')
    await server.ended
    const second = await startServer({ SESSION_EXPIRY_S: '0' }, server.folder)
    const client = await logIn(second, back)
    expect(client.connack.sessionPresent).toBe(false)
    client.socket.destroy()
    await leaveSession(second, 1)
    await second.logged(({ msg }) => msg.startsWith('sessions whose clients stayed away'))
    expect((await logIn(second, back)).connack.sessionPresent).toBe(false)
  })

  it('[MQTT-3.2.2-3] ends such sessions also where they have no subscription', async () => {
    const server = await startServer()
    await beginSession(server)
    server.kill('SIGTERM')
    await server.ended
    expect(await beginSession(await startServer({ SESSION_EXPIRY_S: '0' }, server.folder))).toBe(false)
  })
})

describe('The state file', () => {
  const path = ['data', 'state.db'] as const

  it('that is no database, or damaged, stops the start with its name and what to do', async () => {
    const server = await startServer()
    await leaveSession(server, 1)
    server.kill('SIGTERM')
    await server.ended
    await writeFile(join(server.folder, ...path), 'this is no database, but some text '.repeat(500))
    const second = await spawnServer({}, server.folder)
    expect(await second.ended).toBe(1)
    expect(second.text()).toMatch(/^damselfly: STORE_\w+: data\/state\.db .+; .+$/m)
    const { stdout } = await damselfly(server.folder, ['check'], { MQTT_USERNAME: 'a', MQTT_PASSWORD: 'b' })
    expect(stdout).toMatch(/^sessions +WRONG: STORE_\w+: data\/state\.db/m)
  })

  it('of a running server is refused to a second one, and open to a reader and to damselfly check', async () => {
    const server = await startServer()
    await leaveSession(server, 1)
    const second = await spawnServer({ DATABASE_URL: 'sqlite:other.db' }, server.folder)
    expect(await second.ended).toBe(1)
    expect(second.text()).toMatch(/data\/\w+\.db is in use by another server/)
    const { stdout } = await damselfly(server.folder, ['check'], { MQTT_USERNAME: 'a', MQTT_PASSWORD: 'b' })
    expect(stdout).toMatch(/^sessions +on disk in data\/state\.db, 1 sessions$/m)
    const reader = createClient({ url: pathToFileURL(join(server.folder, ...path)).href })
    onTestFinished(() => reader.close())
    expect((await reader.execute('SELECT client_id FROM session')).rows).toMatchObject([
      { client_id: 'comes back' },
    ])
    expect((await logIn(server, back)).connack.sessionPresent).toBe(true)
  })

  it('that refuses keeps a message from being acknowledged, and its publisher from being read; no one else', async () => {
    const server = await startServer()
    await leaveSession(server, 1)
    const lock = createClient({ url: pathToFileURL(join(server.folder, ...path)).href, timeout: 5000 })
    onTestFinished(() => lock.close())
    const transaction = await lock.transaction('write')
    const publisher = await logIn(server)
    publisher.send(publish(1, 1), publish(2, 2), publish(3, 1, { topic: 'live' }))
    await server.logged(({ msg }) => msg.startsWith('sessions cannot be saved'))
    const bystander = await logIn(server)
    bystander.send(subscribe(['live', 1]), publish(2, 1, { topic: 'live' }), { cmd: 'pingreq' })
    await bystander.count('puback', 1)
    await bystander.count('pingresp', 1)
    await bystander.count('publish', 1)
    expect(publisher.received.map(({ cmd }) => cmd)).toEqual(['connack'])
    await transaction.rollback()
    await publisher.count('puback', 2)
    await publisher.count('pubrec', 1)
    const client = await logIn(await restart(server), back)
    expect(await everything(client)).toEqual(['1', '2'])
  })

  it('gives the room of what is delivered or has ended back to the disk', async () => {
    const server = await startServer({ SESSION_EXPIRY_S: '1' })
    await leaveSession(server, 1)
    const publisher = await logIn(server)
    publisher.send(...numbers(400).map((id) => publish(id, 1, { payload: 'x'.repeat(20_000) })))
    await publisher.count('puback', 400)
    await server.logged(({ msg }) => msg.startsWith('sessions whose clients stayed away'))
    const size = () => stat(join(server.folder, ...path)).then((file) => file.size)
    await expect.poll(size, { timeout: 20_000 }).toBeLessThan(2_000_000)
  })
})

describe('Bounds', () => {
  it('MAX_QUEUED_MESSAGES drops the newest for who is away, also over a restart, and not for who is here', async () => {
    const folder = await temporaryFolder()
    const limit = { MAX_QUEUED_MESSAGES: '5' }
    const server = await startServer(limit, folder)
    await leaveSession(server, 1)
    const here = answering(await logIn(server, { clientId: 'here', clean: false }))
    here.send(subscribe(['queue/#', 1]))
    await here.count('suback', 1)
    const publisher = await logIn(server)
    publisher.send(...numbers(8).map((id) => publish(id, 1)))
    await publisher.count('puback', 8)
    await here.count('publish', 8)
    const second = await restart(server, limit)
    const again = await logIn(second)
    again.send(publish(9, 1))
    await again.count('puback', 1)
    const client = await logIn(second, back)
    expect(await everything(client)).toEqual(['1', '2', '3', '4', '5'])
  })

  it('MAX_RETAINED_MESSAGES delivers a message on a new topic and does not keep it', async () => {
    const server = await startServer({ MAX_RETAINED_MESSAGES: '3' }) // the server's status is one
    const watcher = await logIn(server)
    watcher.send(subscribe(['r/#', 0]))
    await watcher.count('suback', 1)
    const publisher = await logIn(server)
    publisher.send(
      ...['a', 'b', 'c', 'b'].map((topic, index) =>
        publish(index + 1, 1, { topic: `r/${topic}`, retain: true }),
      ),
    )
    await publisher.count('puback', 4)
    await watcher.count('publish', 4)
    await server.logged(({ msg }) => msg.startsWith('there are too many retained messages'))
    const client = await logIn(await restart(server))
    client.send(subscribe(['r/#', 0]), { cmd: 'pingreq' })
    await client.count('publish', 2)
    await client.count('pingresp', 1)
    expect(payloads(client).sort()).toEqual(['1', '4'])
  })
})
