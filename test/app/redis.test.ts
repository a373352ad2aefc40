import { describe, expect, it } from 'vitest'
import { damselfly } from '../support/command.js'
import { freePort } from '../support/free-port.js'
import { startRedis } from '../support/redis.js'
import { spawnServer, startServer } from '../support/server.js'
import { comingTo, connectTo, messages, readyz } from '../support/server-clients.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const isAway = ({ msg }: { msg: string }): boolean => msg.startsWith('Redis cannot be reached')

describe('Two servers on one Redis', () => {
  it('deliver live, retained and queued messages of each other, and take over a client id', async () => {
    const redis = await startRedis({ password: 'pass word' })
    const servers = await Promise.all([1, 2].map(() => startServer({ REDIS_URL: redis.url })))
    const [one, two] = servers
    if (one === undefined || two === undefined) throw new Error('two were started')
    expect(one.log).toMatchObject([{ msg: 'ready', sessions: 'in Redis' }])
    expect(JSON.stringify([one.log, two.log])).not.toContain('pass')

    const [here, there] = [await connectTo(one), await connectTo(two)]
    await there.subscribeAsync('live/#', { qos: 1 })
    const live = messages(there, 3)
    for (const payload of ['1', '2', '3']) await here.publishAsync('live/a', payload, { qos: 1 })
    expect(await live).toEqual(['1', '2', '3'])

    // At QoS 2 the answer comes after the message is in Redis.
    await here.publishAsync('kept', 'retained', { qos: 2, retain: true })
    const kept = messages(there, 1)
    await there.subscribeAsync('kept', { qos: 1 })
    expect(await kept).toEqual(['retained'])
    await there.unsubscribeAsync(['kept', 'live/#'])

    const session = { clientId: 'comes back', clean: false }
    const before = await connectTo(one, session)
    await before.subscribeAsync('queue', { qos: 1 })
    await before.endAsync()
    for (const payload of ['a', 'b', 'c']) await here.publishAsync('queue', payload, { qos: 2 })
    const back = comingTo(two, session)
    expect(await messages(back, 3)).toEqual(['a', 'b', 'c'])

    const takenOver = new Promise<void>((resolve) => back.once('close', resolve))
    await connectTo(one, session) // [MQTT-3.1.4-2]
    await takenOver
  })
})

describe('Redis', () => {
  it('[MQTT-3.8.4-1] that keeps a session has a SUBSCRIBE of several filters answered, and all of them kept', async () => {
    const redis = await startRedis()
    const server = await startServer({ REDIS_URL: redis.url })
    const session = { clientId: 'with several filters', clean: false }
    const before = await connectTo(server, session)
    const granted = await before.subscribeAsync(['a', 'b', 'c'], { qos: 1 })
    expect(granted.map(({ qos }) => qos)).toEqual([1, 1, 1])
    await before.endAsync()
    const sender = await connectTo(server)
    for (const topic of ['a', 'b', 'c']) await sender.publishAsync(topic, topic, { qos: 2 })
    const back = comingTo(server, session)
    expect(await messages(back, 3)).toEqual(['a', 'b', 'c'])
  })

  it('that refuses the password stops the start with 1 and a line that does not show it', async () => {
    const redis = await startRedis({ password: 'right' })
    const REDIS_URL = redis.url.replace('right', 'hidden')
    const off = { MQTT_PORT: '0', MQTTS_PORT: 'off', WS_PORT: 'off', HTTP_PORT: 'off' }
    const settings = { ...off, MQTT_USERNAME: 'admin', MQTT_PASSWORD: 'x' }
    for (const url of [REDIS_URL, redis.url.replace(':right@', '')]) {
      const outcome = await damselfly(await temporaryFolder(), [], { ...settings, REDIS_URL: url })
      expect(outcome).toMatchObject({ code: 1, stderr: /^damselfly: CONFIG_VALUE: REDIS_URL .+\n$/ })
      expect(outcome.stderr + outcome.stdout).not.toContain('hidden')
    }
  })

  it('that is away at the start is waited for', async () => {
    const port = await freePort()
    const server = await spawnServer({ REDIS_URL: `redis://127.0.0.1:${port}` })
    expect(await server.logged(isAway)).toMatchObject({ level: 'error' })
    await startRedis({ port })
    await server.logged(({ msg }) => msg === 'ready')
    const client = await connectTo(server)
    await client.publishAsync('a', 'b', { qos: 1 })
  })

  it('that is waited for does not keep a signal from ending the server with 0', async () => {
    const server = await spawnServer({ REDIS_URL: `redis://127.0.0.1:${await freePort()}` })
    await server.logged(isAway)
    server.kill('SIGTERM')
    expect(await server.ended).toBe(0)
    expect(server.text()).toBe('')
  })

  it('that is killed under way leaves the server alive and not ready, until it is back', async () => {
    const redis = await startRedis()
    const server = await startServer({ REDIS_URL: redis.url, HTTP_PORT: '0' })
    const client = await connectTo(server)
    await client.subscribeAsync('a', { qos: 1 })
    expect((await readyz(server)).status).toBe(200)
    await redis.kill()
    await server.logged(isAway)
    const response = await readyz(server)
    expect(response.status).toBe(503)
    expect(await response.json()).toMatchObject({ parts: { listeners: true, store: true, sessions: false } })
    const acknowledged = client.publishAsync('devices/one/data', '{"light":1}', { qos: 1 })

    const again = await startRedis({ port: redis.port, folder: redis.folder })
    while ((await readyz(server)).status !== 200);
    await acknowledged
    const echo = messages(client, 1)
    await client.publishAsync('a', 'works again', { qos: 1 })
    expect(await echo).toEqual(['works again'])

    await again.kill()
    while ((await readyz(server)).status !== 503);
    server.kill('SIGTERM')
    expect(await server.ended).toBe(0)
  })

  it('that stands still, with its connections open, is away like one that has ended', async () => {
    const redis = await startRedis()
    const server = await startServer({ REDIS_URL: redis.url, HTTP_PORT: '0' })
    const client = await connectTo(server)
    await client.subscribeAsync('a', { qos: 1 })
    redis.hang(true)
    const got = messages(client, 1)
    const acknowledged = client.publishAsync('a', 'after all', { qos: 1 })
    while ((await readyz(server)).status !== 503);
    await expect(connectTo(server)).rejects.toMatchObject({ code: 3 })
    redis.hang(false)
    while ((await readyz(server)).status !== 200);
    await acknowledged
    expect(await got).toEqual(['after all'])
  }, 60_000)
})
