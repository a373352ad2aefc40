import { setTimeout as delay } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { noteNumbers, startNumberedLoad, upTo } from '../support/numbered-load.js'
import { type RunningRedis, startRedis } from '../support/redis.js'
import { startServer } from '../support/server.js'
import { comingTo, connectTo, readyz } from '../support/server-clients.js'

/** Redis is away for so long: once for long enough for what is meant to last some seconds, and once for a moment. */
const AWAY_MS = [10_000, 0]

it('Redis that is killed twice under load loses nothing that was acknowledged, and no connection', async () => {
  let redis: RunningRedis = await startRedis()
  const settings = { REDIS_URL: redis.url, HTTP_PORT: '0', MAX_QUEUED_MESSAGES: '65535' }
  const server = await startServer(settings)
  const topics = { 1: 'load/one', 2: 'load/two' } as const

  const away = await connectTo(server, { clientId: 'away', clean: false })
  await away.subscribeAsync(Object.values(topics), { qos: 2 })
  await away.endAsync()
  const here = await connectTo(server, { clientId: 'here', clean: false })
  await here.subscribeAsync('load/#', { qos: 2 })
  const idle = await connectTo(server, { keepalive: 5 })
  const notes = { 1: noteNumbers(here, topics[1]), 2: noteNumbers(here, topics[2]) }

  const publishers = await Promise.all([connectTo(server), connectTo(server)])
  const [one, two] = publishers
  if (one === undefined || two === undefined) throw new Error('two were connected')
  const closed: string[] = []
  for (const client of [here, idle, ...publishers]) {
    client.on('close', () => void closed.push(String(client.options.clientId)))
  }
  const loads = {
    1: startNumberedLoad(one, { topic: topics[1], qos: 1, window: 50, perSecond: 250 }),
    2: startNumberedLoad(two, { topic: topics[2], qos: 2, window: 50, perSecond: 250 }),
  }
  for (const awayMs of AWAY_MS) {
    const before = { 1: loads[1].acknowledged, 2: loads[2].acknowledged }
    await Promise.all([loads[1].reached(before[1] + 500), loads[2].reached(before[2] + 500)])
    await redis.kill()
    let response = await readyz(server)
    while (response.status !== 503) response = await readyz(server)
    expect(await response.json()).toMatchObject({ parts: { sessions: false } })
    await delay(awayMs)
    redis = await startRedis({ port: redis.port, folder: redis.folder })
    while ((await readyz(server)).status !== 200);
  }
  const last = { 1: await loads[1].stop(), 2: await loads[2].stop() }
  await Promise.all([notes[1].received(last[1]), notes[2].received(last[2])])
  expect(notes[2].numbers).toEqual(upTo(last[2]))
  expect([...new Set(notes[1].numbers)]).toEqual(upTo(last[1]))
  expect(closed).toEqual([])

  const back = comingTo(server, { clientId: 'away', clean: false })
  const queued = { 1: noteNumbers(back, topics[1]), 2: noteNumbers(back, topics[2]) }
  await Promise.all([queued[1].received(last[1]), queued[2].received(last[2])])
  expect(queued[1].numbers).toEqual(upTo(last[1]))
  expect(queued[2].numbers).toEqual(upTo(last[2]))
}, 120_000)
