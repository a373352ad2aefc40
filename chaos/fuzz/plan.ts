import { generate, type IConnectPacket, type ISubscription, type Packet } from 'mqtt-packet'
import type { Random } from '../../test/support/random.js'
import { mutate } from './mutate.js'

/** What one connection sends, packet by packet. */
export interface Plan {
  readonly packets: readonly Buffer[]
  /** Whether every packet is as a client may send it. */
  readonly isValid: boolean
  /** PINGREQs among them; the last packet of a valid plan is one. */
  readonly pings: number
  /** Whether what the server sends is read. */
  readonly reads: boolean
  /** Whether packets are cut at random places when they are sent. */
  readonly isCut: boolean
}

/** One in so many packets is changed; 0: none. */
const ODDS = [0, 500, 50, 3] as const

/** Of names, so that connections meet: in sessions, take-overs, queues and retained messages. */
const CLIENT_IDS = 200
const DEVICES = 20
const TOPICS = ['fuzz', 'fuzz/a', 'fuzz/b', 'fuzz/a/b', 'fuzz//', 'fuzz/é'] as const
const FILTERS = ['fuzz/#', 'fuzz/+', '#', '+/+', '+/a/#', 'fuzz/a', 'fuzz//', '$SYS/#'] as const
const PAYLOADS = [
  '',
  '{"temperature":21.5,"humidity":40}',
  '{"sensor":"DHT11","temperature":nan,"timestamp":12}',
  '{"sensors":[{"sensor_name":"a","value":1,"timestamp":"2026-01-01T00:00:00+08:00"}],"status":{"a":[1]}}',
  '{"sequence":7,"timestamp":1000,"status":1}',
  '[[[[',
  'x'.repeat(5000),
] as const

/** Plans the `number`th connection, of at most `length` packets. */
export function planConnection(random: Random, number: number, length: number): Plan {
  const odds = random.of(ODDS)
  const isValid = odds === 0
  const plan: Packet[] = [randomConnect(random, isValid ? `valid-${number}` : undefined)]
  while (plan.length < length) plan.push(randomPacket(random))
  plan.push({ cmd: 'pingreq' })
  const packets = plan.map((packet) => generate(packet))
  return {
    packets: isValid ? packets : packets.map((bytes) => mutateOneIn(random, odds, bytes, packets)),
    isValid,
    pings: plan.filter(({ cmd }) => cmd === 'pingreq').length,
    reads: isValid || random.below(10) > 0,
    isCut: random.below(4) === 0,
  }
}

function mutateOneIn(random: Random, odds: number, bytes: Buffer, others: readonly Buffer[]): Buffer {
  return random.below(odds) === 0 ? mutate(random, bytes, random.of(others)) : bytes
}

function randomConnect(random: Random, validId: string | undefined): IConnectPacket {
  const clean = random.below(3) > 0
  const isOld = random.below(4) === 0
  const will = {
    topic: random.of(TOPICS),
    payload: Buffer.from('gone'),
    qos: randomQos(random),
    retain: false,
  }
  return {
    cmd: 'connect',
    protocolId: isOld ? 'MQIsdp' : 'MQTT',
    protocolVersion: isOld ? 3 : 4,
    clean,
    clientId: validId ?? `fuzz-${random.below(CLIENT_IDS)}`,
    keepalive: 600,
    ...(random.below(3) === 0 ? { will } : {}),
  }
}

function randomQos(random: Random): 0 | 1 | 2 {
  return random.of([0, 1, 2] as const)
}

const randomIdentifier = (random: Random): number => 1 + random.below(20)

function randomPacket(random: Random): Packet {
  const messageId = randomIdentifier(random)
  const kind = random.below(20)
  if (kind < 10) return randomPublish(random)
  if (kind < 12) {
    const subscriptions = Array.from(
      { length: 1 + random.below(3) },
      (): ISubscription => ({
        topic: random.of(FILTERS),
        qos: randomQos(random),
      }),
    )
    return { cmd: 'subscribe', messageId, subscriptions }
  }
  if (kind === 12) return { cmd: 'unsubscribe', messageId, unsubscriptions: [random.of(FILTERS)] }
  if (kind === 13) return { cmd: 'pingreq' }
  return { cmd: random.of(['puback', 'pubrec', 'pubrel', 'pubcomp'] as const), messageId }
}

function randomPublish(random: Random): Packet {
  const qos = randomQos(random)
  const isReport = random.below(2) === 0
  const device = `devices/fuzz-${random.below(DEVICES)}/${random.of(['data', 'status', 'heartbeat'])}`
  return {
    cmd: 'publish',
    topic: isReport ? device : random.of(TOPICS),
    payload: random.of(PAYLOADS),
    qos,
    dup: qos > 0 && random.below(8) === 0,
    retain: random.below(8) === 0,
    ...(qos > 0 ? { messageId: randomIdentifier(random) } : {}),
  }
}
