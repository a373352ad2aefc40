import {
  bytes,
  connect,
  first,
  type Part,
  packet,
  pingreq,
  pingresp,
  puback,
  pubcomp,
  publish,
  pubrel,
  string,
  suback,
  uint16,
  unsuback,
} from './bytes.js'
import {
  afterConnack,
  atConnect,
  type Case,
  closes,
  enter,
  isClosed,
  type Outcome,
  opens,
  send,
} from './case.js'

interface Kind {
  readonly name: keyof typeof first
  readonly clause: string
  readonly body: readonly Part[]
  /** With the flags that it is to have. */
  readonly outcome: Outcome
}

const IDENTIFIER = uint16(7)
const kinds: readonly Kind[] = [
  { name: 'puback', clause: 'MQTT-2.2.2-2', body: [IDENTIFIER], outcome: opens() },
  { name: 'pubrec', clause: 'MQTT-2.2.2-2', body: [IDENTIFIER], outcome: opens(pubrel(1)) },
  { name: 'pubrel', clause: 'MQTT-3.6.1-1', body: [IDENTIFIER], outcome: opens(pubcomp(7)) },
  { name: 'pubcomp', clause: 'MQTT-2.2.2-2', body: [IDENTIFIER], outcome: opens() },
  {
    name: 'subscribe',
    clause: 'MQTT-3.8.1-1',
    body: [IDENTIFIER, string('a'), 0],
    outcome: opens(suback(7, 0)),
  },
  {
    name: 'unsubscribe',
    clause: 'MQTT-3.10.1-1',
    body: [IDENTIFIER, string('a')],
    outcome: opens(unsuback(7)),
  },
  { name: 'pingreq', clause: 'MQTT-2.2.2-2', body: [], outcome: opens(pingresp) },
  { name: 'disconnect', clause: 'MQTT-3.14.1-1', body: [], outcome: closes() },
]

const serverOnly: readonly (readonly [name: keyof typeof first, body: readonly Part[]])[] = [
  ['connack', [0, 0]],
  ['suback', [IDENTIFIER, 0]],
  ['unsuback', [IDENTIFIER]],
  ['pingresp', []],
]

const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index)
const bits = (flags: number): string => flags.toString(2).padStart(4, '0')

const flags: readonly Case[] = kinds.flatMap(({ name, clause, body, outcome }) =>
  numbers(16).map((bitsOfFlags) => {
    const isRight = bitsOfFlags === (first[name] & 15)
    const sent = packet((first[name] & 0xf0) | bitsOfFlags, ...body)
    const title = `${name.toUpperCase()} with the flags ${bits(bitsOfFlags)}`
    return afterConnack(clause, title, sent, isRight ? outcome : closes())
  }),
)

/** A retransmission of MQTT 3.1 has the DUP flag (its sections 3.6, 3.8 and 3.10). */
const oldFlags: readonly Case[] = kinds
  .filter(({ name }) => ['pubrel', 'subscribe', 'unsubscribe'].includes(name))
  .map(({ name, body, outcome }) =>
    afterConnack('3.1', `${name.toUpperCase()} with DUP`, packet(first[name] | 8, ...body), outcome, 3),
  )

const connectFlags: readonly Case[] = numbers(16).map((bitsOfFlags) =>
  atConnect(
    'MQTT-2.2.2-2',
    `CONNECT with the flags ${bits(bitsOfFlags)}`,
    connect({ firstByte: first.connect | bitsOfFlags }),
    bitsOfFlags === 0 ? opens(packet(first.connack, 0, 0)) : closes(),
  ),
)

const forbiddenTypes: readonly Case[] = [
  ...serverOnly.map(([name, body]) =>
    afterConnack('2.2.1', `${name.toUpperCase()} from a client`, packet(first[name], ...body), closes()),
  ),
  ...numbers(16).map((bitsOfFlags) =>
    afterConnack('2.2.1', `packet type 0 with the flags ${bits(bitsOfFlags)}`, packet(bitsOfFlags), closes()),
  ),
  ...numbers(16).map((bitsOfFlags) =>
    afterConnack(
      '2.2.1',
      `packet type 15 with the flags ${bits(bitsOfFlags)}`,
      packet(0xf0 | bitsOfFlags),
      closes(),
    ),
  ),
]

const beforeConnect: readonly Case[] = [
  ...kinds.map(({ name, body }) => ({ name: name.toUpperCase(), sent: packet(first[name], ...body) })),
  ...serverOnly.map(([name, body]) => ({ name: name.toUpperCase(), sent: packet(first[name], ...body) })),
  { name: 'PUBLISH', sent: publish('a', 'x') },
  { name: 'PUBLISH at QoS 1', sent: publish('a', 'x', { qos: 1, id: 1 }) },
  { name: 'packet type 0', sent: packet(0) },
  { name: 'packet type 15', sent: packet(0xf0) },
  { name: 'what a browser says', sent: Buffer.from('GET / HTTP/1.1\r\n\r\n') },
  { name: 'the beginning of TLS', sent: bytes(0x16, 3, 1, 0, 0xc0, 1, 0, 0, 0xbc, 3, 3) },
].map(({ name, sent }) => atConnect('MQTT-3.1.0-1', `${name} before CONNECT`, sent, closes()))

const lengths: readonly Case[] = [
  afterConnack('MQTT-3.12.4-1', 'PINGREQ is answered with PINGRESP', pingreq, opens(pingresp)),
  afterConnack(
    '2.2.3',
    'a remaining length of five bytes',
    bytes(0x30, 0xff, 0xff, 0xff, 0xff, 0x01),
    closes(),
  ),
  afterConnack(
    '2.2.3',
    'four bytes that say that a fifth follows',
    bytes(0x30, 0x80, 0x80, 0x80, 0x80),
    closes(),
  ),
  afterConnack('2.2.3', 'a remaining length in two bytes for one', bytes(0xc0, 0x80, 0), opens(pingresp)),
  afterConnack(
    '2.2.3',
    'a remaining length in four bytes for one',
    bytes(0xc0, 0x80, 0x80, 0x80, 0),
    opens(pingresp),
  ),
  ...[127, 128, 16_383, 16_384, 200_000].map((length) =>
    afterConnack(
      '2.2.3',
      `a PUBLISH with a remaining length of ${length}`,
      publish('t', 'x'.repeat(length - 5), { qos: 1, id: 1 }),
      opens(puback(1)),
    ),
  ),
  ...([1, 2, 3] as const).map((size) =>
    afterConnack('4.8', `PINGREQ with ${size} bytes`, packet(first.pingreq, Buffer.alloc(size)), closes()),
  ),
  ...([1, 2, 3] as const).map((size) =>
    afterConnack(
      '4.8',
      `DISCONNECT with ${size} bytes`,
      packet(first.disconnect, Buffer.alloc(size)),
      closes(),
    ),
  ),
]

const seconds: readonly Case[] = [
  afterConnack('MQTT-3.1.0-2', 'a second CONNECT', connect(), closes()),
  afterConnack('MQTT-3.1.0-2', 'a second CONNECT, of another version', connect({ level: 3 }), closes()),
  afterConnack('MQTT-3.1.0-2', 'a second CONNECT', connect({ level: 3 }), closes(), 3),
  afterConnack('MQTT-3.1.0-2', 'a second CONNECT after others', bytes(pingreq, connect()), closes(pingresp)),
  {
    clause: 'MQTT-3.1.0-2',
    name: 'a second CONNECT with the same client id',
    steps: [
      ...enter('a', connect({ clientId: 'twice' })),
      send('a', connect({ clientId: 'twice' })),
      isClosed('a'),
    ],
  },
]

/** What the first byte and the remaining length may be. */
export const fixedHeaderCases: readonly Case[] = [
  ...flags,
  ...oldFlags,
  ...connectFlags,
  ...forbiddenTypes,
  ...beforeConnect,
  ...lengths,
  ...seconds,
]
