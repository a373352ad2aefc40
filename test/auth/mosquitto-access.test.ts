import { copyFile, mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { IPublishPacket, ISubackPacket, Packet } from 'mqtt-packet'
import { describe, expect, it } from 'vitest'
import { startMosquitto } from '../support/mosquitto.js'
import { createRandom } from '../support/random.js'
import { connectRaw, type RawClient } from '../support/raw-client.js'
import { run } from '../support/run.js'
import { type Server, startServer } from '../support/server.js'
import { temporaryFolder } from '../support/temporary-folder.js'

/**
 * Generated rules, clients and topics, as a Mosquitto 2.0.11 and a Damselfly with the same files decide on them.
 *
 * Left out is what Mosquitto itself has changed between 2.0 and 2.1, whose way is ours: 2.0 puts names in
 * anywhere (`pattern x%u`), and a name with `/` makes levels there; 2.1 takes `%u` and `%c` for whole levels
 * only. Left out as well are `$SYS/broker/connection/+/state`, which Mosquitto lets bridges write, and the retained
 * message of `$s`, which 2.0.11 does not send for `$s/#` where there is none below it [MQTT-4.7.1-2].
 */
const ROUNDS = 16
const TOPICS = 12
const SEED = 20_261_122

const PASSWORD = Buffer.from('secret')
const USERS = ['ann', 'bob lee', 'a+', 'c#', '$s', 'stranger'] as const
const CLIENT_IDS = ['c1', 'ann', 'c+', 'x#y', '$s', 'two words', 'b'] as const
const LEVELS = ['a', 'b', '', 'ann', 'bob lee', 'c1', 'two words', '%u', '$s'] as const

/**
 * Damselfly sends retained messages one after the other behind its SUBACK. Each takes fewer turns of its event
 * loop than this, and every answer to a PINGREQ is a turn.
 */
const TURNS_OF_A_RETAINED = 6

/** Who sees everything, and who may write everything; their own rules go before any pattern. */
const WITNESSES = `
user observer
topic read #
topic read $s/#
topic read $SYS/#
user publisher
topic write #
topic write $s/#
`

/** A client, and the filters of its SUBSCRIBE. */
interface TestClient {
  readonly user: string | undefined
  readonly clientId: string
  readonly filters: readonly string[]
}

interface Round {
  readonly rules: string
  readonly clients: readonly TestClient[]
  readonly topics: readonly string[]
}

const random = createRandom(SEED)
const chance = (oneIn: number): boolean => random.below(oneIn) === 0
const times = <T>(count: number, make: (index: number) => T): readonly T[] =>
  Array.from({ length: count }, (_, index) => make(index))

/** The same entries in another order. */
function shuffled<T>(list: readonly T[]): readonly T[] {
  const rest = [...list]
  return times(list.length, () => rest.splice(random.below(rest.length), 1)).flat()
}

function anyFilter(): string {
  const level = (): string => (chance(4) ? random.of(['+', '%u', '%c']) : random.of(LEVELS))
  const first = (): string => (chance(5) ? random.of(['$s', '$SYS']) : level())
  const levels = [first(), ...times(random.below(3), level)]
  const filter = chance(3) ? [...levels, '#'].join('/') : levels.join('/')
  return filter === '' ? '#' : filter
}

function anyRule(): string {
  const access = random.of(['read ', 'write ', 'readwrite ', 'read ', 'write ', 'deny '])
  return `${random.of(['topic', 'topic', 'pattern'])} ${access}${anyFilter()}`
}

/** Rules of nobody first, then blocks, among them some of a user who had one already. */
function anyRules(): string {
  const block = (): readonly string[] => times(2 + random.below(4), anyRule)
  const blocks = shuffled([...USERS.filter((user) => user !== 'stranger'), random.of(USERS.slice(0, 5))])
  return [...block(), ...blocks.flatMap((user) => [`user ${user}`, ...block()]), WITNESSES].join('\n')
}

/** A topic that some rule's filter may match for somebody, or any. */
function anyTopic(rules: string): string {
  const filters = rules.split('\n').flatMap((line) => /^(?:topic|pattern) \w+ (.+)$/.exec(line)?.[1] ?? [])
  const levels = chance(4)
    ? times(1 + random.below(4), () => random.of(LEVELS))
    : random.of(filters).split('/')
  const names: Readonly<Record<string, () => readonly string[]>> = {
    '+': () => [random.of(LEVELS)],
    '#': () => times(random.below(3), () => random.of(LEVELS)),
    '%u': () => [random.of(['ann', 'bob lee', '%u', 'stranger'])],
    '%c': () => [random.of(['c1', 'ann', 'two words', 'b'])],
  }
  const topic = levels.flatMap((level) => names[level]?.() ?? [level]).join('/')
  return topic === '' ? 'a' : topic
}

function anyRound(): Round {
  const rules = anyRules()
  const topics = new Set<string>()
  while (topics.size < TOPICS) topics.add(anyTopic(rules))
  const ids = shuffled(CLIENT_IDS)
  const wildcards = ['+/#', '+/+', 'a/#', '+/ann/#', '/+', '$s/+', '$s/#', '+/b/+'] as const
  const clients = [undefined, ...USERS].map((user, index) => ({
    user,
    clientId: ids[index] ?? '',
    filters: random.of([['#', '$s/#'], [...topics], shuffled(wildcards).slice(0, 4)]),
  }))
  return { rules, clients, topics: [...topics] }
}

const isPublish = (packet: Packet): packet is IPublishPacket => packet.cmd === 'publish'
const isSuback = (packet: Packet): packet is ISubackPacket => packet.cmd === 'suback'

const connectAs = (port: number, user: string | undefined, clientId: string): Promise<RawClient> =>
  connectRaw(port, { clientId, ...(user === undefined ? {} : { username: user, password: PASSWORD }) })

/** Resolves when the client has been sent all that was published until now. */
async function settle(client: RawClient): Promise<void> {
  const before = client.received.filter(({ cmd }) => cmd === 'pingresp').length
  client.send({ cmd: 'pingreq' })
  await client.count('pingresp', before + 1)
}

/**
 * Publishes, and resolves when every message is with its subscribers, or denied: of both brokers that is so at
 * QoS 2, of Mosquitto after PUBREL, and of Damselfly before PUBREC.
 */
async function publishAll(
  client: RawClient,
  messages: readonly { readonly topic: string; readonly payload: string; readonly retain?: boolean }[],
): Promise<void> {
  const before = client.received.filter(({ cmd }) => cmd === 'pubcomp').length
  const identifiers = messages.map((_message, index) => before + index + 1)
  client.send(
    ...messages.map(
      ({ topic, payload, retain = false }, index): Packet => ({
        ...{ cmd: 'publish', qos: 2, dup: false, messageId: before + index + 1 },
        ...{ topic, payload, retain },
      }),
    ),
  )
  await client.count('pubrec', before + messages.length)
  client.send(...identifiers.map((messageId): Packet => ({ cmd: 'pubrel', messageId })))
  await client.count('pubcomp', before + messages.length)
}

async function subscribe(client: RawClient, filters: readonly string[]): Promise<ISubackPacket['granted']> {
  const subscriptions = filters.map((topic) => ({ topic, qos: 0 as const }))
  client.send({ cmd: 'subscribe', messageId: 1, subscriptions })
  return (await client.next(isSuback)).granted
}

/** What a broker has made of a round. */
interface Played {
  /** `client topic`, by their places in the round, of what came to the observer. */
  readonly written: ReadonlySet<string>
  /** The same, with `retained` or `live` before it, of what came to the clients. */
  readonly read: ReadonlySet<string>
  /** The codes of each client's SUBACK. */
  readonly granted: readonly (readonly unknown[])[]
}

/** What a client was sent; a message that several of its filters match may come more than once. */
const payloads = (client: RawClient): readonly string[] =>
  client.received.filter(isPublish).map(({ payload }) => payload.toString())

async function play(port: number, { clients, topics }: Round): Promise<Played> {
  const observer = await connectAs(port, 'observer', 'observer')
  const publisher = await connectAs(port, 'publisher', 'publisher')
  const connected = await Promise.all(clients.map(({ user, clientId }) => connectAs(port, user, clientId)))
  const everyone = [observer, publisher, ...connected]
  expect(everyone.map(({ connack }) => connack.returnCode)).toEqual(everyone.map(() => 0))

  await subscribe(observer, ['#', '$s/#', ...topics.filter((topic) => topic.startsWith('$SYS'))])
  await Promise.all(
    connected.map((client, number) =>
      publishAll(
        client,
        topics.map((topic, index) => ({ topic, payload: `${number} ${index}` })),
      ),
    ),
  )
  await settle(observer)
  const written = new Set(payloads(observer).filter((payload) => /^\d+ \d+$/.test(payload)))

  await publishAll(
    publisher,
    topics.map((topic, index) => ({ topic, payload: `retained ${index}`, retain: true })),
  )
  const granted = await Promise.all(
    connected.map((client, number) => subscribe(client, clients[number]?.filters ?? [])),
  )
  for (const _turn of times(TOPICS * TURNS_OF_A_RETAINED, () => undefined)) {
    await Promise.all(connected.map(settle))
  }
  await publishAll(
    publisher,
    topics.map((topic, index) => ({ topic, payload: `live ${index}` })),
  )
  await Promise.all(connected.map(settle))
  const read = connected.flatMap((client, number) =>
    payloads(client).flatMap((payload) =>
      /^\w+ \d+$/.test(payload) ? payload.replace(' ', ` ${number} `) : [],
    ),
  )
  await publishAll(
    publisher,
    topics.map((topic) => ({ topic, payload: '', retain: true })),
  )

  for (const client of everyone) client.send({ cmd: 'disconnect' })
  await Promise.all(everyone.map(({ closed }) => closed))
  return { written, read: new Set(read), granted }
}

async function writePasswords(path: string): Promise<void> {
  await writeFile(path, '')
  for (const user of [...USERS, 'observer', 'publisher']) {
    const { code, stderr } = await run('mosquitto_passwd', ['-b', path, user, PASSWORD.toString()])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  }
}

const readings = ({ log }: Server): number => log.filter(({ msg }) => msg.startsWith('read again')).length

/** Puts other rules in the place of those in force, and waits until they are. */
async function replaceRules(server: Server, path: string, rules: string): Promise<void> {
  const before = readings(server)
  await writeFile(`${path}.new`, rules)
  await rename(`${path}.new`, path) // whole at once, as the change is seen by a watch
  await server.logged(() => readings(server) > before)
}

/** Nobody may publish below `$SYS`, so nothing can be said of reading there. */
const isPublishable = (topic: string): boolean => !topic.startsWith('$SYS')

/** Section 4.7 of MQTT 3.1.1. */
function matches(filter: string, topic: string): boolean {
  if (topic.startsWith('$') && !filter.startsWith('$')) return false
  const match = (levels: readonly string[], of: readonly string[]): boolean => {
    const [first, ...rest] = levels
    if (first === '#') return true
    if (first === undefined || of.length === 0) return first === undefined && of.length === 0
    return (first === '+' || first === of[0]) && match(rest, of.slice(1))
  }
  return match(filter.split('/'), topic.split('/'))
}

/** One decision: its case, and whether Mosquitto and Damselfly allow it. */
interface Decided {
  readonly key: string
  readonly access: 'write' | 'retained' | 'live'
  readonly mosquitto: boolean
  readonly damselfly: boolean
}

function decisions(
  { rules, clients, topics }: Round,
  mosquitto: Played,
  damselfly: Played,
): readonly Decided[] {
  return clients.flatMap(({ user, clientId, filters }, number) =>
    topics.flatMap((topic, index) => {
      const isSubscribed = isPublishable(topic) && filters.some((filter) => matches(filter, topic))
      const reads = topic === '$s' ? (['live'] as const) : (['retained', 'live'] as const)
      return (['write', ...(isSubscribed ? reads : [])] as const).map((access): Decided => {
        const of = ({ written, read }: Played): boolean =>
          access === 'write' ? written.has(`${number} ${index}`) : read.has(`${access} ${number} ${index}`)
        const key = JSON.stringify({ rules, user, clientId, topic, access, filters })
        return { key, access, mosquitto: of(mosquitto), damselfly: of(damselfly) }
      })
    }),
  )
}

describe('Access', () => {
  it('is what Mosquitto gives, whatever the rules, for every client and topic', {
    timeout: 40_000,
  }, async () => {
    const folder = await temporaryFolder()
    const passwords = join(folder, 'mosquitto.passwd')
    await writePasswords(passwords)
    await mkdir(join(folder, 'config'))
    await copyFile(passwords, join(folder, 'config', 'passwd'))
    const acl = join(folder, 'config', 'acl.conf')
    await writeFile(acl, '')
    const server = await startServer({ ALLOW_ANONYMOUS: 'true' }, folder)

    const decided: Decided[] = []
    for (const round of times(ROUNDS, anyRound)) {
      const [mosquitto] = await Promise.all([
        startWithRules(passwords, round.rules),
        replaceRules(server, acl, round.rules),
      ])
      const theirs = await play(mosquitto, round)
      const ours = await play(server.port('mqtt'), round)
      decided.push(...decisions(round, theirs, ours))
      expectRefusals(round, theirs, ours)
    }
    const all = [...new Map(decided.map((one) => [one.key, one])).values()]
    const wrong = all.filter(({ mosquitto, damselfly }) => mosquitto !== damselfly)
    expect(wrong.slice(0, 3)).toEqual([])
    expect(all.length).toBeGreaterThanOrEqual(300)
    for (const access of ['write', 'retained', 'live'] as const) {
      const allowed = all.filter((one) => one.access === access).map(({ mosquitto }) => mosquitto)
      expect(allowed.filter((isAllowed) => isAllowed).length).toBeGreaterThanOrEqual(60)
      expect(allowed.filter((isAllowed) => !isAllowed).length).toBeGreaterThanOrEqual(60)
    }
  })
})

async function startWithRules(passwords: string, rules: string): Promise<number> {
  const path = join(await temporaryFolder(), 'acl.conf')
  await writeFile(path, rules)
  return (await startMosquitto({ allow_anonymous: 'true', password_file: passwords, acl_file: path })).port
}

/** The one difference: what Mosquitto grants and then delivers nothing of may be refused, and a topic's name is. */
function expectRefusals({ clients, topics }: Round, { granted, read }: Played, ours: Played): void {
  for (const [number, { filters }] of clients.entries()) {
    expect(granted[number]).toEqual(filters.map(() => 0))
    for (const [place, filter] of filters.entries()) {
      const index = topics.indexOf(filter)
      if (index >= 0 && isPublishable(filter)) {
        expect([filter, ours.granted[number]?.[place]]).toEqual([
          filter,
          read.has(`live ${number} ${index}`) ? 0 : 128,
        ])
      }
    }
  }
}
