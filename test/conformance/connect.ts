import {
  bytes,
  connack,
  connect,
  first,
  type Part,
  packet,
  pingreq,
  pingresp,
  string,
  suback,
  subscribe,
  uint16,
} from './bytes.js'
import {
  atConnect,
  type Case,
  closes,
  enter,
  gets,
  isClosed,
  isOpen,
  type Outcome,
  opens,
  scenario,
  send,
} from './case.js'

const accepted: Outcome = opens(connack())
const longest = 'x'.repeat(65_535)

const names: readonly Case[] = (
  [
    ['MQTT', 4, accepted],
    ['MQIsdp', 3, accepted],
    ['MQTX', 4, closes()],
    ['mqtt', 4, closes()],
    ['MQT', 4, closes()],
    ['MQTTT', 4, closes()],
    ['MQIsdP', 3, closes()],
    ['MQIsdpp', 3, closes()],
    ['', 4, closes()],
    ['HTTP', 4, closes()],
  ] as const
).map(([name, level, outcome]) =>
  atConnect(
    'MQTT-3.1.2-1',
    `the protocol name "${name}" with level ${level}`,
    connect({ name, level }),
    outcome,
  ),
)

const levels: readonly Case[] = [
  ...[0, 1, 2, 3, 6, 7, 127].map((level) => ['MQTT', level] as const),
  ...[0, 1, 2, 4, 5, 6, 127].map((level) => ['MQIsdp', level] as const),
].map(([name, level]) =>
  atConnect(
    'MQTT-3.1.2-2',
    `level ${level} of ${name} is answered with 1`,
    connect({ name, level }),
    closes(connack(1)),
  ),
)

/** Mosquitto's own: the highest bit of the level says that the client is a bridge. */
const bridges: readonly Case[] = [
  atConnect('3.1.2.2', 'a bridge of MQTT 3.1.1', connect({ name: 'MQTT', level: 0x84 }), accepted),
  atConnect('3.1.2.2', 'a bridge of MQTT 3.1', connect({ name: 'MQIsdp', level: 0x83 }), accepted),
]

const mqtt5: readonly Case[] = [
  atConnect(
    'MQTT-3.1.2-2',
    'MQTT 5 is answered with 1',
    packet(first.connect, string('MQTT'), 5, 2, uint16(0), 0, string('five')),
    closes(connack(1)),
  ),
  atConnect(
    'MQTT-3.1.2-2',
    'MQTT 5 with properties, a will and a login is answered with 1',
    packet(
      first.connect,
      ...[string('MQTT'), 5, 0xc6, uint16(0), bytes(5, 0x11, 0, 0, 0, 9), string('five')],
      ...[0, string('a'), string('b'), string('user'), string('password')],
    ),
    closes(connack(1)),
  ),
]

const will: readonly Part[] = [string('w'), string('gone')]

/** The connect flags, and what follows the client id. */
const flags: readonly (readonly [string, string, number, readonly Part[], Outcome])[] = [
  ['MQTT-3.1.2-3', 'the reserved flag', 0x03, [], closes()],
  ['MQTT-3.1.2-3', 'the reserved flag with all others', 0xf7, [...will, string('u'), string('p')], closes()],
  ['MQTT-3.1.2-9', 'a will at QoS 0', 0x06, will, accepted],
  ['MQTT-3.1.2-9', 'a will at QoS 1', 0x0e, will, accepted],
  ['MQTT-3.1.2-9', 'a will at QoS 2', 0x16, will, accepted],
  ['MQTT-3.1.2-9', 'a retained will', 0x26, [string('wr'), string('')], accepted],
  ['MQTT-3.1.2-14', 'a will at QoS 3', 0x1e, will, closes()],
  ['MQTT-3.1.2-14', 'a retained will at QoS 3', 0x3e, will, closes()],
  ['MQTT-3.1.2-13', 'will QoS 1 without a will', 0x0a, [], closes()],
  ['MQTT-3.1.2-13', 'will QoS 2 without a will', 0x12, [], closes()],
  ['MQTT-3.1.2-13', 'will QoS 3 without a will', 0x1a, [], closes()],
  ['MQTT-3.1.2-15', 'will retain without a will', 0x22, [], closes()],
  ['MQTT-3.1.2-11', 'a will in the payload without the flag', 0x02, will, closes()],
  ['MQTT-3.1.2-9', 'the will flag without a will', 0x06, [], closes()],
  ['MQTT-3.1.2-9', 'the will flag without a will message', 0x06, [string('w')], closes()],
  ['MQTT-3.1.2-9', 'an empty will message', 0x06, [string('w'), string('')], accepted],
  [
    'MQTT-3.1.2-9',
    'a will message of any bytes',
    0x06,
    [string('w'), string(Buffer.of(0, 0xff, 0xc0))],
    accepted,
  ],
  ['MQTT-4.7.3-1', 'an empty will topic', 0x06, [string(''), string('x')], closes()],
  ['MQTT-4.7.1-1', 'a will topic with +', 0x06, [string('w/+'), string('x')], closes()],
  ['MQTT-4.7.1-1', 'a will topic with #', 0x06, [string('w/#'), string('x')], closes()],
  ['MQTT-4.7.1-1', 'a will topic with + inside a level', 0x06, [string('w+'), string('x')], closes()],
  ['MQTT-3.1.2-19', 'a user name', 0x82, [string('u')], accepted],
  ['MQTT-3.1.2-19', 'an empty user name', 0x82, [string('')], accepted],
  ['MQTT-3.1.2-19', 'the user name flag without a user name', 0x82, [], closes()],
  ['MQTT-3.1.2-18', 'a user name without the flag', 0x02, [string('u')], closes()],
  ['MQTT-3.1.2-21', 'a user name and a password', 0xc2, [string('u'), string('p')], accepted],
  ['MQTT-3.1.2-21', 'an empty password', 0xc2, [string('u'), string('')], accepted],
  [
    'MQTT-3.1.2-21',
    'a password of any bytes',
    0xc2,
    [string('u'), string(Buffer.of(0, 0xff, 0xc0))],
    accepted,
  ],
  ['MQTT-3.1.2-21', 'the password flag without a password', 0xc2, [string('u')], closes()],
  ['MQTT-3.1.2-20', 'a password without the flag', 0x82, [string('u'), string('p')], closes()],
  ['MQTT-3.1.2-22', 'a password without a user name', 0x42, [string('p')], closes()],
  ['MQTT-3.1.2-22', 'the password flag alone', 0x42, [], closes()],
  ['MQTT-3.1.3-1', 'all fields in their order', 0xce, [...will, string('u'), string('p')], accepted],
  [
    'MQTT-3.1.4-1',
    'a byte behind the last field, for which there is no return code [MQTT-3.2.2-6]',
    0x02,
    [0],
    closes(),
  ],
  ['MQTT-3.1.4-1', 'two bytes behind the last field', 0x02, [0, 0], closes()],
  ['MQTT-3.1.4-1', 'a byte behind a password', 0xc2, [string('u'), string('p'), 0], closes()],
  ['MQTT-3.1.4-1', 'a will topic that is longer than the packet', 0x06, [uint16(9), 'w'], closes()],
  [
    'MQTT-3.1.4-1',
    'a will message that is longer than the packet',
    0x06,
    [string('w'), uint16(9), 'w'],
    closes(),
  ],
  ['MQTT-3.1.4-1', 'a user name that is longer than the packet', 0x82, [uint16(2), 'u'], closes()],
  [
    'MQTT-3.1.4-1',
    'a password that is longer than the packet',
    0xc2,
    [string('u'), uint16(2), 'p'],
    closes(),
  ],
  ['MQTT-3.1.4-1', 'a user name of which only the length is there', 0x82, [uint16(1)], closes()],
  ['MQTT-3.1.4-1', 'half the length of a user name', 0x82, [0], closes()],
]

/** What MQTT 3.1 lets be: bits that it does not use, and logins that are announced and missing. */
const old: readonly (readonly [string, string, number, readonly Part[], Outcome])[] = [
  ['3.1', 'the unused connect flag', 0x03, [], accepted],
  ['3.1', 'will QoS 1 without a will', 0x0a, [], accepted],
  ['3.1', 'will retain without a will', 0x22, [], accepted],
  ['3.1', 'will QoS 3', 0x1e, will, closes()],
  ['3.1', 'a will', 0x0e, will, accepted],
  ['3.1', 'the user name flag without a user name', 0x82, [], accepted],
  ['3.1', 'both flags without a user name and a password', 0xc2, [], accepted],
  ['3.1', 'the password flag without a password', 0xc2, [string('u')], accepted],
  ['3.1', 'a user name and a password', 0xc2, [string('u'), string('p')], accepted],
  ['3.1', 'the will flag without a will', 0x06, [], closes()],
  ['3.1', 'a byte behind the last field', 0x02, [0], closes()],
]

const whole = connect({ clientId: 'cut', flags: 0xc6, more: [...will, string('u'), string('p')] })

/** A CONNECT that ends too early, and says so in its remaining length. */
const cut: readonly Case[] = Array.from({ length: whole.length - 2 }, (_, length) =>
  atConnect(
    'MQTT-3.1.4-1',
    `a CONNECT cut off after ${length} bytes`,
    packet(0x10, whole.subarray(2, 2 + length)),
    closes(),
  ),
)

const clientIds: readonly Case[] = [
  atConnect('MQTT-3.1.3-6', 'an empty client id with a clean session', connect({ clientId: '' }), accepted),
  atConnect(
    'MQTT-3.1.3-8',
    'an empty client id without a clean session [MQTT-3.1.3-7], [MQTT-3.1.3-9]',
    connect({ clientId: '', flags: 0 }),
    closes(connack(2)),
  ),
  atConnect(
    'MQTT-3.1.3-8',
    'an empty client id without a clean session, with a login',
    connect({ clientId: '', flags: 0xc0, more: [string('u'), string('p')] }),
    closes(connack(2)),
  ),
  atConnect('3.1', 'an empty client id in MQTT 3.1', connect({ clientId: '', level: 3 }), closes(connack(2))),
  atConnect(
    '3.1',
    'the same without a clean session',
    connect({ clientId: '', level: 3, flags: 0 }),
    closes(connack(2)),
  ),
  atConnect(
    '3.1',
    'a client id of 24 characters in MQTT 3.1',
    connect({ clientId: 'x'.repeat(24), level: 3 }),
    accepted,
  ),
  ...[1, 23, 24, 36, 255, 256, 60_000].map((length) =>
    atConnect(
      'MQTT-3.1.3-5',
      `a client id of ${length} characters`,
      connect({ clientId: 'z'.repeat(length) }),
      accepted,
    ),
  ),
  atConnect('4.7.3', 'a client id of 65,535 characters', connect({ clientId: longest }), closes()),
  atConnect(
    '4.7.3',
    'a will message of 65,535 bytes',
    connect({ flags: 6, more: [string('w'), string(longest)] }),
    closes(),
  ),
  ...[
    '0123456789abcdefghijklm',
    'nopqrstuvwxyzABCDEFGHIJ',
    'KLMNOPQRSTUVWXYZ',
    '__proto__',
    'a/b',
    '+',
    '#',
  ].map((clientId) =>
    atConnect('MQTT-3.1.3-5', `the client id ${clientId}`, connect({ clientId }), accepted),
  ),
  scenario(
    'MQTT-3.1.3-6',
    'two clients without a client id are two',
    ...[
      enter('a', connect({ clientId: '' })),
      enter('b', connect({ clientId: '' })),
      isOpen('a'),
      isOpen('b'),
    ],
  ),
  scenario(
    'MQTT-3.1.4-2',
    'the second client with a client id ends the first',
    ...[enter('a', connect({ clientId: 'same' })), enter('b', connect({ clientId: 'same' }))],
    ...[isClosed('a'), isOpen('b')],
  ),
]

/** What every CONNECT has, and its answer. */
const basics: readonly Case[] = [
  atConnect('MQTT-3.1.4-4', 'a right CONNECT is answered with 0', connect(), accepted),
  atConnect(
    'MQTT-3.1.3-3',
    'a CONNECT without a client id',
    packet(first.connect, string('MQTT'), 4, 2, uint16(0)),
    closes(),
  ),
  scenario(
    'MQTT-3.2.2-4',
    'a CONNECT that is refused has no session present, though there is one [MQTT-3.2.2-5]',
    ...[enter('a', connect({ clientId: 'there', flags: 0 })), send('a', subscribe(1, ['there', 1]))],
    ...[gets('a', suback(1, 1)), send('b', connect({ clientId: 'there', flags: 0, level: 6 }))],
    ...[gets('b', connack(1)), isClosed('b'), isOpen('a')],
  ),
]

const keepAlives: readonly Case[] = [0, 1, 60, 65_535].map((keepAlive) =>
  atConnect('3.1.2.10', `a keep alive of ${keepAlive} seconds`, connect({ keepAlive }), accepted),
)

const together: readonly Case[] = [
  scenario('3.1.4', 'what is sent before the CONNACK is answered after it', [
    send('a', connect(), pingreq),
    ...([{ do: 'gets', client: 'a', packets: [connack(), pingresp] }] as const),
    isOpen('a'),
  ]),
  atConnect(
    'MQTT-3.1.4-5',
    'what follows a refused CONNECT',
    bytes(connect({ level: 6 }), pingreq),
    closes(connack(1)),
  ),
  atConnect('MQTT-3.1.0-2', 'two CONNECTs in one go', bytes(connect(), connect()), closes(connack())),
]

/** What a CONNECT may have. */
export const connectCases: readonly Case[] = [
  ...basics,
  ...names,
  ...levels,
  ...bridges,
  ...mqtt5,
  ...flags.map(([clause, name, connectFlags, more, outcome]) =>
    atConnect(clause, name, connect({ flags: connectFlags, more }), outcome),
  ),
  ...old.map(([clause, name, connectFlags, more, outcome]) =>
    atConnect(clause, `${name}, in MQTT 3.1`, connect({ level: 3, flags: connectFlags, more }), outcome),
  ),
  ...cut,
  ...clientIds,
  ...keepAlives,
  ...together,
]
