import { generate, type IConnectPacket, type ISubscription, type Packet } from 'mqtt-packet'
import type { Random } from '../../test/support/random.js'
import { oddReport } from './payloads.js'

/** Of names, so that connections meet: in sessions, take-overs, queues and retained messages. */
const CLIENT_IDS = 60
const ODD_CLIENT_IDS = [
  '__proto__',
  'constructor',
  '#',
  '+/fuzz',
  '$SYS',
  'é\u{1F331}',
  ' ',
  'c'.repeat(20_000),
] as const
const DEVICES = 20
const GROUPS = 40

/** Of packet identifiers, so that messages meet too. */
const IDENTIFIERS = 20

/** Taken, acknowledged, and of no device; some are nobody's to write. */
const TOPICS = ['', '/a', '/b', '/a/b', '//', '/é', '/\u{1F331}', '/ ', `/${'l/'.repeat(40)}`] as const
const DENIED_TOPICS = ['$SYS/broker/uptime', '$a', 'witness', 'devices', '/', 'system/server/status'] as const
const FILTERS = ['/#', '/+', '/+/b', '/a/#', '', '/a', '//', '/+/+/#'] as const
const WIDE_FILTERS = ['#', '+/+', '$SYS/#', '+', 'devices/+/data', 'witness', 'devices/#', '/#'] as const
const DEVICE_KINDS = ['data', 'data', 'data', 'status', 'heartbeat', 'control', 'data/x', ''] as const
const LONG = Buffer.alloc(65_536, 'x')

/** No topic and no filter may have so many levels; the connection ends, as the known limits say. */
const TOO_DEEP = `fuzz/${'d/'.repeat(120)}`

/** Filters of one SUBSCRIBE or UNSUBSCRIBE that has many. */
const MANY = 200

const randomQos = (random: Random): 0 | 1 | 2 => random.of([0, 1, 2] as const)

/** Makes the packets of one connection, as bytes. */
export interface Packets {
  /** What comes next: one packet, or a few that belong together. */
  next(): readonly Buffer[]
}

/** One whose client id is `clientId`, or one that several connections fight for. */
export function randomConnect(random: Random, clientId: string | undefined, keepalive: number): Buffer {
  const isOld = random.below(4) === 0
  const packet: IConnectPacket = {
    cmd: 'connect',
    protocolId: isOld ? 'MQIsdp' : 'MQTT',
    protocolVersion: isOld ? 3 : 4,
    clean: random.below(3) > 0,
    clientId: clientId ?? randomClientId(random),
    keepalive,
  }
  if (random.below(3) === 0) {
    const payload = random.below(2) === 0 ? oddReport(random) : Buffer.from('gone')
    const topic = clientId === undefined && random.below(50) === 0 ? TOO_DEEP : randomTopic(random)
    packet.will = {
      ...{ topic, payload, qos: randomQos(random) },
      retain: random.below(4) === 0,
    }
  }
  if (clientId === undefined && random.below(100) === 0) {
    packet.username = 'nobody'
    packet.password = Buffer.from('knows')
  }
  return generate(packet)
}

function randomClientId(random: Random): string {
  return random.below(20) === 0 ? random.of(ODD_CLIENT_IDS) : `fuzz-${random.below(CLIENT_IDS)}`
}

/** What packets of a connection may be: such as a client may send, or acknowledgements of anything too, or any. */
export type Manners = 'polite' | 'hasty' | 'rude'

/**
 * Packets that a client may send, whatever has come before. Who is hasty acknowledges messages without looking, and
 * with luck rightly; who is rude also sends a few packets that end its connection.
 */
export function createPackets(random: Random, manners: Manners): Packets {
  let acknowledged = 0
  const identifier = (): number => 1 + random.below(IDENTIFIERS)
  const flows: readonly (() => readonly Packet[])[] = [
    ...Array.from({ length: 8 }, () => () => [randomPublish(random, randomQos(random), identifier())]),
    () => exactlyOnce(random, identifier()),
    () => exactlyOnce(random, identifier()),
    () => [{ cmd: 'pubrel', messageId: identifier() }],
    () => [{ cmd: 'subscribe', messageId: identifier(), subscriptions: subscriptions(random) }],
    () => [{ cmd: 'unsubscribe', messageId: identifier(), unsubscriptions: [randomFilter(random)] }],
    () => [{ cmd: 'pingreq' }],
  ]
  const guesses: readonly (() => readonly Packet[])[] = [
    // What the server has sent has these numbers, one after another.
    () => Array.from({ length: 5 }, () => ({ cmd: 'puback', messageId: next() })),
    () => [{ cmd: random.of(['puback', 'pubrec', 'pubcomp'] as const), messageId: identifier() }],
    () => [
      { cmd: 'pubrec', messageId: 1 + acknowledged },
      { cmd: 'pubcomp', messageId: next() },
    ],
  ]
  const all = manners === 'polite' ? flows : [...flows, ...guesses]
  const next = (): number => {
    acknowledged = (acknowledged % 65_535) + 1
    return acknowledged
  }
  return {
    next() {
      if (manners === 'rude' && random.below(300) === 0) return [rude(random)]
      return random
        .of(all)()
        .map((packet) => generate(packet))
    },
  }
}

/** A QoS 2 message and its release, each perhaps sent twice. */
function exactlyOnce(random: Random, messageId: number): readonly Packet[] {
  const publish = randomPublish(random, 2, messageId)
  const release: Packet = { cmd: 'pubrel', messageId }
  const again = random.below(4)
  if (again === 0) return [publish, { ...publish, dup: true }, release]
  return again === 1 ? [publish, release, release] : [publish, release]
}

function randomPublish(random: Random, qos: 0 | 1 | 2, messageId: number): Packet & { cmd: 'publish' } {
  return {
    cmd: 'publish',
    topic: randomTopic(random),
    payload: randomPayload(random),
    qos,
    dup: qos > 0 && random.below(8) === 0,
    retain: random.below(8) === 0,
    ...(qos > 0 ? { messageId } : {}),
  }
}

function randomTopic(random: Random): string {
  const kind = random.below(20)
  if (kind === 0) return random.of(DENIED_TOPICS)
  if (kind < 10) return `fuzz/${random.below(GROUPS)}${random.of(TOPICS)}`
  const tree = random.below(4) === 0 ? 'device' : 'devices'
  return `${tree}/fuzz-${random.below(DEVICES)}/${random.of(DEVICE_KINDS)}`
}

function randomFilter(random: Random): string {
  if (random.below(50) === 0) return random.of(WIDE_FILTERS)
  return `fuzz/${random.below(GROUPS)}${random.of(FILTERS)}`
}

function subscriptions(random: Random): ISubscription[] {
  const length = random.below(200) === 0 ? MANY : 1 + random.below(3)
  return Array.from({ length }, () => ({
    topic: randomFilter(random),
    qos: randomQos(random),
  }))
}

function randomPayload(random: Random): Buffer {
  const kind = random.below(60)
  if (kind === 0) return LONG.subarray(0, 1000 + random.below(64_000))
  if (kind < 6) return LONG.subarray(0, random.below(300))
  return kind < 12 ? LONG.subarray(0, 0) : oddReport(random)
}

function rude(random: Random): Buffer {
  const messageId = 1
  return random.of([
    () => randomConnect(random, undefined, 600),
    () => generate({ cmd: 'disconnect' }),
    () => generate({ cmd: 'pingresp' }),
    () => generate({ ...randomPublish(random, 1, messageId), topic: TOO_DEEP }),
    () => generate({ cmd: 'subscribe', messageId, subscriptions: [{ topic: `${TOO_DEEP}#`, qos: 1 }] }),
  ])()
}
