import { generate } from 'mqtt-packet'
import { createRandom, type Random } from '../../test/support/random.js'
import { between } from '../support/random.js'
import { disorder, mutate } from './mutate.js'
import { createPackets, randomConnect } from './packets.js'

/** How a connection ends when everything is sent. */
export type Ending = 'abrupt' | 'reset' | 'half-closed' | 'disconnect' | 'silent'

/** What is written together, and how long nothing was before. */
export interface Part {
  readonly bytes: Buffer
  readonly pauseMs: number
  /** Packets that have been written when this part has. */
  readonly packetsSoFar: number
}

/** Everything that one connection sends, and how. */
export interface Plan {
  readonly parts: readonly Part[]
  readonly packets: number
  /** Whether every packet is as a client may send it, in an order in which it may. */
  readonly isValid: boolean
  /** For each PINGREQ, which packet it is: when it is answered, those before it have been taken. */
  readonly pings: readonly number[]
  /** Packets whose answer is another: PUBACK, PUBREC, PUBCOMP, SUBACK or UNSUBACK. */
  readonly otherRequests: number
  readonly isWebSocket: boolean
  /** Whether what the server sends is read. */
  readonly reads: boolean
  /** How many PINGREQs are to be answered before it ends; of a valid connection everything is. */
  readonly awaitedPings: number
  /** And how long they are waited for. */
  readonly patienceMs: number
  readonly ending: Ending
}

/** What becomes of the packets that were made: so many of a hundred connections, with at most so many packets. */
interface Kind {
  readonly weight: number
  readonly most: number
  readonly spoil: 'nothing' | 'order' | 'bytes'
  /** One packet in so many is spoiled. */
  readonly odds: number
  /** How long the answers are waited for: not long where a spoiled length may have the server wait as well. */
  readonly patienceMs: number
}

/** More of those that live long than of those that end with the first packets. */
const KINDS: readonly Kind[] = [
  { weight: 30, most: 280, spoil: 'nothing', odds: 0, patienceMs: 60_000 },
  { weight: 35, most: 280, spoil: 'order', odds: 10, patienceMs: 20_000 },
  { weight: 15, most: 280, spoil: 'bytes', odds: 500, patienceMs: 5000 },
  { weight: 10, most: 120, spoil: 'bytes', odds: 50, patienceMs: 3000 },
  { weight: 10, most: 20, spoil: 'bytes', odds: 3, patienceMs: 1000 },
]

/** Only what is spoiled may be answered by an end: an acknowledgement of another kind than its message's is. */
const MANNERS = { nothing: 'polite', order: 'rude', bytes: 'hasty' } as const

const MOST_TOGETHER = 40
const MOST_PAUSES = 5
const MOST_PAUSE_MS = 30
const MOST_CUT_BYTES = 1500
const MOST_SINGLE_BYTES = 100

/** Long enough for all that is sent; the shortest, of those whose silence ends them. */
const KEEP_ALIVE_S = 600
const SHORTEST_KEEP_ALIVE_S = 10

const PINGREQ = generate({ cmd: 'pingreq' })

/** Plans the `number`th connection of a run: the same for the same `seed`, whatever else is going on. */
export function planConnection(seed: number, number: number): Plan {
  const random = createRandom(mix(seed, number))
  const kind = chooseKind(random)
  const isValid = kind.spoil === 'nothing'
  const ending = chooseEnding(random, isValid)
  const packets = [
    randomConnect(
      random,
      isValid ? `valid-${number}` : undefined,
      ending === 'silent' ? SHORTEST_KEEP_ALIVE_S : KEEP_ALIVE_S,
    ),
  ]
  const { next } = createPackets(random, MANNERS[kind.spoil])
  const length = between(random, 1, kind.most)
  while (packets.length < length) packets.push(...next())
  packets.push(PINGREQ)
  const spoiled = spoil(random, kind, packets)
  const reads = isValid || random.below(20) > 0
  const pings = spoiled.flatMap((bytes, index) => (bytes.equals(PINGREQ) ? [index + 1] : []))
  return {
    parts: cutUp(random, spoiled),
    packets: spoiled.length,
    isValid,
    pings,
    otherRequests: spoiled.filter(isOtherRequest).length,
    isWebSocket: random.below(10) === 0,
    reads,
    awaitedPings: isValid || random.below(2) === 0 ? pings.length : random.below(pings.length + 1),
    patienceMs: reads ? kind.patienceMs : choosePatienceMs(random),
    ending,
  }
}

/** MurmurHash3's last steps (A. Appleby, public domain): numbers that are alike give seeds that are not. */
function mix(seed: number, number: number): number {
  let state = Math.imul(seed ^ Math.imul(number, 0x9e37_79b1), 0x85eb_ca6b)
  state = Math.imul(state ^ (state >>> 13), 0xc2b2_ae35)
  return (state ^ (state >>> 16)) | 1
}

function chooseKind(random: Random): Kind {
  let at = random.below(100)
  const [first] = KINDS as readonly [Kind, ...Kind[]]
  return (
    KINDS.find(({ weight }) => {
      at -= weight
      return at < 0
    }) ?? first
  )
}

function chooseEnding(random: Random, isValid: boolean): Ending {
  const kind = random.below(100)
  if (kind < 2 && isValid) return 'silent'
  if (kind < 50) return 'abrupt'
  if (kind < 65) return 'reset'
  return kind < 80 ? 'half-closed' : 'disconnect'
}

/** Of a connection that reads nothing: one in ten stays until the server has had enough of it, after 20 s. */
function choosePatienceMs(random: Random): number {
  return random.below(10) === 0 ? 22_000 : random.below(1000)
}

function spoil(random: Random, { spoil: what, odds }: Kind, packets: readonly Buffer[]): readonly Buffer[] {
  if (what === 'nothing') return packets
  if (what === 'order') return disorder(random, odds, packets)
  return packets.map((bytes) =>
    random.below(odds) === 0 ? mutate(random, bytes, random.of(packets)) : bytes,
  )
}

const PUBLISH = 3
const OTHER_REQUESTS: readonly number[] = [6, 8, 10] // PUBREL, SUBSCRIBE, UNSUBSCRIBE

function isOtherRequest(bytes: Buffer): boolean {
  const first = bytes[0] ?? 0
  return first >> 4 === PUBLISH ? (first & 0x06) > 0 : OTHER_REQUESTS.includes(first >> 4)
}

/** Some packets at a time; of one connection in four not where they begin and end, and with pauses. */
function cutUp(random: Random, packets: readonly Buffer[]): Part[] {
  const parts: Part[] = []
  const isCut = random.below(4) === 0
  const isSlow = random.below(4) === 0
  let pauses = 0
  for (let from = 0; from < packets.length; ) {
    const to = Math.min(packets.length, from + 1 + random.below(MOST_TOGETHER))
    const pieces = isCut
      ? cut(random, Buffer.concat(packets.slice(from, to)))
      : [Buffer.concat(packets.slice(from, to))]
    for (const [index, bytes] of pieces.entries()) {
      const pauseMs =
        isSlow && pauses < MOST_PAUSES && random.below(4) === 0 ? random.below(MOST_PAUSE_MS) : 0
      if (pauseMs > 0) pauses += 1
      parts.push({ bytes, pauseMs, packetsSoFar: index === pieces.length - 1 ? to : from })
    }
    from = to
  }
  return parts
}

function cut(random: Random, bytes: Buffer): Buffer[] {
  const pieces: Buffer[] = []
  const single = random.below(4) === 0 ? MOST_SINGLE_BYTES : 0
  for (let from = 0; from < bytes.length; ) {
    const to = from + (pieces.length < single ? 1 : between(random, 1, MOST_CUT_BYTES))
    pieces.push(bytes.subarray(from, to))
    from = to
  }
  return pieces
}
