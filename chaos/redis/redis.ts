import { setTimeout as delay } from 'node:timers/promises'
import type { RunningRedis } from '../../test/support/redis-process.js'
import type { Server } from '../../test/support/server-process.js'
import type { Context, Result, Scenario } from '../scenario.js'
import { type Fleet, fleetName, startFleet, topicOf } from '../support/fleet.js'
import { databaseUrl } from '../support/ground.js'
import { peakMemoryMiB } from '../support/memory.js'
import { spooledMessages } from '../support/spool-file.js'
import { findFaults } from '../support/stored.js'
import { holdsWithin } from '../support/wait.js'
import { rateOf, warmUp } from '../support/warm-up.js'
import { createFollower, type Follower } from './follower.js'

const DEFAULT_SECONDS = 10
const KILLS = 2
const DEVICES = 500
const WINDOW = 500

/** Groups of 50 devices: each message has two subscribers, one of them away, whose queue is never full. */
const GROUPS = 10
const MAX_QUEUED_MESSAGES = '65535'

const CALM_MS = 5000
/** Redis is asked once in a while. */
const TOLD_WITHIN_MS = 30_000
const PATIENCE_MS = 600_000
/** Nothing more comes when nothing has come for so long. */
const STILL_MS = 20_000

/** Redis is killed and started again, twice. */
export const redis: Scenario = {
  name: 'redis',
  about:
    'kill -9 of Redis, twice, and a start after ten seconds: all stored and delivered, nobody thrown out',
  run: killTwice,
}

/** Persistent sessions at QoS 1 and 2, half of which stay. */
interface Followers {
  readonly here: readonly Follower[]
  readonly away: readonly Follower[]
  readonly faults: readonly string[]
}

async function killTwice({ ground, seconds = DEFAULT_SECONDS, say }: Context): Promise<Result> {
  const mariadb = await ground.mariadb()
  let running = await ground.redis()
  const server = await ground.readyServer({
    ...{ DATABASE_URL: databaseUrl(mariadb.port), REDIS_URL: running.url, HTTP_PORT: '0' },
    ...{ UNKNOWN_DEVICES: 'register', MAX_QUEUED_MESSAGES },
  })
  const port = server.port('mqtt')
  const followers = await startFollowers(port)
  ground.defer(() => Promise.all([...followers.here, ...followers.away].map((one) => one.leave())))
  const qosOf = (index: number): 1 | 2 => (index % 2 === 0 ? 1 : 2)
  const fleet = await startFleet({ port, devices: DEVICES, window: WINDOW, qosOf })
  ground.defer(fleet.stop)
  const perSecond = await warmUp(fleet, say)

  const faults: string[] = []
  const waitsMs: number[] = []
  for (let kill = 1; kill <= KILLS; kill += 1) {
    await delay(CALM_MS)
    fleet.takeLongestWaitMs()
    say(`redis: kill ${kill}; ${fleet.acknowledged} acknowledged so far`)
    running = await takeAway(running, server, seconds, ground.redis, faults)
    await holdsWithin(PATIENCE_MS, () => fleet.sent - fleet.acknowledged < perSecond)
    waitsMs.push(fleet.takeLongestWaitMs())
  }
  await delay(CALM_MS)
  if (!(await fleet.finish(PATIENCE_MS))) {
    faults.push(`${fleet.sent - fleet.acknowledged} readings were never acknowledged`)
  }
  await Promise.all(followers.away.map((one) => one.connect()))
  faults.push(...(await undelivered(followers, fleet)))
  await holdsWithin(PATIENCE_MS, async () => (await spooledMessages(ground.folder)) === 0)
  faults.push(...fleet.faults, ...followers.faults, ...(await findFaults(mariadb, fleet)))

  const all = [...followers.here, ...followers.away]
  return {
    done:
      `Redis killed ${KILLS} times, each time started after ${seconds} s, ${rateOf(perSecond)} messages/s from ` +
      `${DEVICES} connections at QoS 1 and 2; ${fleet.acknowledged} acknowledged, the longest waits ` +
      `${waitsMs.map((timeMs) => (timeMs / 1000).toFixed(1)).join(' and ')} s; ` +
      `${sumOf(followers.here, ({ received }) => received)} delivered to those connected and ` +
      `${sumOf(followers.away, ({ received }) => received)} to those away, ` +
      `${sumOf(all, ({ repeated }) => repeated)} more came again at QoS 1; memory up to ${peakMemoryMiB(server.pid)} MiB`,
    faults,
  }
}

/** Kills Redis, and starts it again after a while; `/readyz` says both. */
async function takeAway(
  running: RunningRedis,
  server: Server,
  seconds: number,
  start: (before: RunningRedis) => Promise<RunningRedis>,
  faults: string[],
): Promise<RunningRedis> {
  const says = (status: number): Promise<boolean> =>
    holdsWithin(TOLD_WITHIN_MS, async () => {
      const answer = await fetch(`http://127.0.0.1:${server.port('http')}/readyz`)
      await answer.arrayBuffer()
      return answer.status === status
    })
  await running.kill()
  const untilMs = performance.now() + seconds * 1000
  if (!(await says(503))) faults.push('/readyz did not say that Redis is away')
  await delay(Math.max(0, untilMs - performance.now()))
  const started = await start(running)
  if (!(await says(200))) faults.push('/readyz did not say that Redis is back')
  return started
}

/** Two for each group of devices: one at QoS 1 and one at 2, in turn the one that stays. */
async function startFollowers(port: number): Promise<Followers> {
  const faults: string[] = []
  const here: Follower[] = []
  const away: Follower[] = []
  for (let group = 0; group < GROUPS; group += 1) {
    const devices = Array.from({ length: DEVICES / GROUPS }, (_, index) => group * (DEVICES / GROUPS) + index)
    const topics = devices.map((index) => topicOf({ name: fleetName(index) }))
    for (const qos of [1, 2] as const) {
      const name = `follower of group ${group} at QoS ${qos}`
      const follower = createFollower({ name, port, qos, topics, faults })
      await follower.connect()
      if ((group + qos) % 2 === 0) here.push(follower)
      else {
        await follower.leave()
        away.push(follower)
      }
    }
  }
  return { here, away, faults }
}

/** What followers have not had of what was acknowledged, when nothing comes any more. */
async function undelivered({ here, away }: Followers, { devices }: Fleet): Promise<string[]> {
  const all = [...here, ...away]
  const missing = (): string[] => all.flatMap((one) => one.missing(devices))
  let before = -1
  while (missing().length > 0 && sumOf(all, ({ received }) => received) > before) {
    before = sumOf(all, ({ received }) => received)
    await holdsWithin(STILL_MS, () => missing().length === 0)
  }
  return missing()
}

function sumOf(followers: readonly Follower[], count: (one: Follower) => number): number {
  return followers.reduce((sum, one) => sum + count(one), 0)
}
