import { freePort } from '../../test/support/free-port.js'
import type { Context, Result, Scenario } from '../scenario.js'
import { databaseUrl } from '../support/ground.js'
import { fork } from '../support/random.js'
import { holdsWithin } from '../support/wait.js'
import { createCheck } from './check.js'
import { createLedger, type Ledger } from './ledger.js'
import { type Publisher, startPublisher } from './publisher.js'
import { playRound } from './round.js'
import { type Subscriber, startSubscriber } from './subscriber.js'

const DEFAULT_ROUNDS = 200
const ROUNDS_A_CHECK = 10
const PUBLISHERS = 12

/** Clients are back in less, unless a database that is away keeps every answer back. */
const TRAFFIC_WITHIN_MS = 3000

/** To each topic tree at each QoS. */
const subscriptions = [
  { root: 'chaos', qos: 1 },
  { root: 'chaos', qos: 2 },
  { root: 'devices', qos: 1 },
  { root: 'devices', qos: 2 },
  { root: 'chaos', qos: 2 },
] as const

/** Kill -9 of the server again and again, under QoS 1 and QoS 2. */
export const kill: Scenario = {
  name: 'kill',
  about: 'kill -9 of the server at random moments, at times of the database too: all stored and delivered',
  run: killAgainAndAgain,
}

async function killAgainAndAgain(context: Context): Promise<Result> {
  const { ground, random, say } = context
  const mariadb = await ground.mariadb()
  const port = await freePort()
  const environment = {
    MQTT_PORT: `${port}`,
    DATABASE_URL: databaseUrl(mariadb.port),
    UNKNOWN_DEVICES: 'register',
    INGEST_BATCH: '20', // a replay of many steps
    MAX_QUEUED_MESSAGES: '65535', // no subscriber's queue is ever full
  }
  const spawn = () => ground.server(environment)
  let server = await ground.readyServer(environment)
  const ledger = createLedger()
  const subscribers = await startSubscribers(context, port, ledger)
  const publishers = startPublishers(context, port, ledger)
  const check = createCheck({ ledger, mariadb, folder: ground.folder, publishers, subscribers })
  const counts = new Map<string, number>()
  const roundRandom = fork(random)
  const traffic = (): Promise<boolean> => {
    const before = acknowledged(publishers)
    return holdsWithin(TRAFFIC_WITHIN_MS, () => acknowledged(publishers) > before)
  }

  const untilMs = performance.now() + (context.seconds ?? Number.POSITIVE_INFINITY) * 1000
  const most = context.rounds ?? (context.seconds === undefined ? DEFAULT_ROUNDS : Number.POSITIVE_INFINITY)
  let round = 0
  while (round < most && ledger.faults.length === 0 && performance.now() < untilMs) {
    server.kill('SIGKILL')
    await server.ended
    for (const publisher of publishers) publisher.produce(true)
    for (const subscriber of subscribers) subscriber.wander(true)
    for (let left = Math.min(ROUNDS_A_CHECK, most - round); left > 0; left--) {
      const name = await playRound({ random: roundRandom, mariadb, spawn, traffic })
      counts.set(name, (counts.get(name) ?? 0) + 1)
      round += 1
    }
    for (const publisher of publishers) publisher.produce(false)
    for (const subscriber of subscribers) subscriber.wander(false)
    server = await ground.readyServer(environment)
    await check.run()
    const { readings, others } = ledger.counts
    say(`kill: ${round} rounds, ${readings} readings and ${others} messages acknowledged`)
  }

  const { readings, others, repeats } = ledger.counts
  const kinds = [...counts].map(([name, count]) => `${count} ${name}`).join(', ')
  return {
    done:
      `${round} rounds (${kinds}); ${readings} readings and ${others} other messages acknowledged at QoS 1 and 2, ` +
      `${repeats} sent again; ${check.rows} rows, ${check.doubled} of them repeats that nothing tells apart`,
    faults: ledger.faults,
  }
}

async function startSubscribers(
  { ground, random }: Context,
  port: number,
  ledger: Ledger,
): Promise<Subscriber[]> {
  const started: Subscriber[] = []
  for (const [index, { root, qos }] of subscriptions.entries()) {
    const subscriber = await startSubscriber({ index, port, ledger, random: fork(random), root, qos })
    ground.defer(subscriber.stop)
    started.push(subscriber)
  }
  return started
}

function startPublishers({ ground, random }: Context, port: number, ledger: Ledger): Publisher[] {
  return Array.from({ length: PUBLISHERS }, (_, index) => {
    const isClean = index % 3 === 0
    const publisher = startPublisher({ name: `device-${index}`, port, ledger, random: fork(random), isClean })
    ground.defer(publisher.stop)
    return publisher
  })
}

function acknowledged(publishers: readonly Publisher[]): number {
  return publishers.reduce((sum, publisher) => sum + publisher.acknowledged, 0)
}
