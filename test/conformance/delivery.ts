import {
  bytes,
  connack,
  connect,
  disconnect,
  type Part,
  type Publish,
  packet,
  pingreq,
  pingresp,
  puback,
  pubcomp,
  publish,
  pubrec,
  pubrel,
  string,
  suback,
  subscribe,
  unsuback,
  unsubscribe,
} from './bytes.js'
import { type Case, enter, gets, isClosed, isOpen, leave, type Step, scenario, send } from './case.js'

/** A client that subscribes. */
const subscriber = (client: string, ...filters: readonly (readonly [string, number])[]): Step[] => [
  ...enter(client),
  ...subscribes(client, ...filters),
]
const subscribes = (client: string, ...filters: readonly (readonly [string, number])[]): Step[] => [
  send(client, subscribe(1, ...filters)),
  gets(client, suback(1, ...filters.map(([, qos]) => qos))),
]
/** A client publishes at QoS 1, and waits for its acknowledgement. */
const publishes = (client: string, topic: string, payload: string, options: Publish = {}): Step[] => [
  send(client, publish(topic, payload, { qos: 1, id: 1, ...options })),
  gets(client, puback(1)),
]
const message = (topic: string, payload: string, options: Publish = {}): Buffer =>
  publish(topic, payload, options)
const persistent = (clientId: string): Buffer => connect({ clientId, flags: 0 })
const will = (flags: number, topic: string, payload: string, ...more: readonly Part[]): Buffer =>
  connect({ flags: 0x06 | flags, more: [string(topic), string(payload), ...more] })

const matching: readonly Case[] = (
  [
    ['MQTT-3.3.2-3', 'm1/a', 'm1/a', true],
    ['4.7.1', 'm2/#', 'm2/a/b', true],
    ['MQTT-4.7.1-2', 'm3/#', 'm3', true],
    ['4.7.1', 'm4/+', 'm4/a', true],
    ['4.7.1', 'm5/+', 'm5', false],
    ['4.7.1', 'm6/+', 'm6/', true],
    ['4.7.1', 'm7/+', 'm7/a/b', false],
    ['4.7.1', 'm8/+/b', 'm8/a/b', true],
    ['4.7.1', 'm9/+/b', 'm9//b', true],
    ['4.7.1', '+/m10', '/m10', true],
    ['4.7.1', '/+', '/m11', true],
    ['4.7.1', '+', '/m12', false],
    ['4.7.1', 'm13/+/#', 'm13/a', true],
    ['4.7.3', 'm14', '/m14', false],
    ['4.7.3', 'm15', 'm15/', false],
    ['4.7.3', 'M16', 'm16', false],
    ['MQTT-4.7.3-4', 'm17/\u00e9', 'm17/e\u0301', false],
    ['MQTT-4.7.3-4', 'm18/\u00e9', 'm18/\u00e9', true],
    ['MQTT-1.5.3-3', 'm19/\ufeffa', 'm19/a', false],
    ['MQTT-1.5.3-3', 'm20/\ufeffa', 'm20/\ufeffa', true],
    ['MQTT-1.5.3-3', '\ufeffm21', '\ufeffm21', true],
    ['MQTT-4.7.2-1', '#', '$m22/a', false],
    ['MQTT-4.7.2-1', '+/m23', '$m23/m23', false],
    ['4.7.2', '$m24/#', '$m24/a', true],
    ['4.7.2', '$m25/+', '$m25/a', true],
    ['4.7.3', 'm26/ ', 'm26/ ', true],
    ['3.3.2.1', 'm27/__proto__', 'm27/__proto__', true],
    ['3.3.2.1', 'm28/+', 'm28/constructor', true],
  ] as const
).map(([clause, filter, topic, isMatch]) =>
  scenario(
    clause,
    `"${filter}" ${isMatch ? 'matches' : 'does not match'} "${topic}"`,
    ...[subscriber('a', [filter, 0]), enter('b'), publishes('b', topic, 'x')],
    ...(isMatch ? [gets('a', message(topic, 'x'))] : []),
    isOpen('a'),
  ),
)

const qualities: readonly Case[] = [0, 1, 2].flatMap((published) =>
  [0, 1, 2].map((granted) => {
    const qos = Math.min(published, granted)
    const topic = `q/${published}/${granted}`
    const id = published === 0 ? {} : { id: 1 }
    const answers = [[], [puback(1)], [pubrec(1)]][published] ?? []
    return scenario(
      'MQTT-3.8.4-6',
      `a message of QoS ${published} for a subscription of QoS ${granted} has QoS ${qos}${qos === 0 ? ' and no packet identifier [MQTT-2.3.1-5], [MQTT-4.3.1-1]' : ''}`,
      ...[subscriber('a', [topic, granted]), enter('b')],
      send('b', publish(topic, 'x', { qos: published, ...id })),
      ...(answers.length > 0 ? [gets('b', ...answers)] : []),
      ...(published === 2 ? [send('b', pubrel(1)), gets('b', pubcomp(1))] : []),
      gets('a', message(topic, 'x', qos === 0 ? {} : { qos, id: 1 })),
      ...(qos === 1 ? [send('a', puback(1))] : []),
      ...(qos === 2 ? [send('a', pubrec(1)), gets('a', pubrel(1)), send('a', pubcomp(1))] : []),
      ...[isOpen('a'), isOpen('b')],
    )
  }),
)

const retained: readonly Case[] = [
  scenario(
    'MQTT-3.3.1-6',
    'a new subscription is sent the last retained message, marked as such [MQTT-3.3.1-8]',
    ...[
      enter('b'),
      publishes('b', 'r1', 'one', { retain: true }),
      publishes('b', 'r1', 'two', { retain: true }),
    ],
    ...[subscriber('a', ['r1', 0]), gets('a', message('r1', 'two', { retain: true })), isOpen('a')],
  ),
  scenario(
    'MQTT-3.3.1-9',
    'a subscription that is there is sent the message as any other',
    ...[subscriber('a', ['r2', 0]), enter('b'), publishes('b', 'r2', 'x', { retain: true })],
    ...[gets('a', message('r2', 'x')), isOpen('a')],
  ),
  scenario(
    'MQTT-3.3.1-10',
    'an empty retained message is delivered, and ends the one that was retained [MQTT-3.3.1-11]',
    ...[enter('b'), publishes('b', 'r3', 'x', { retain: true }), subscriber('a', ['r3', 0])],
    ...[gets('a', message('r3', 'x', { retain: true })), publishes('b', 'r3', '', { retain: true })],
    ...[gets('a', message('r3', '')), isOpen('a'), subscriber('c', ['r3', 0]), isOpen('c')],
  ),
  scenario(
    'MQTT-3.3.1-12',
    'a message that is not retained neither replaces nor ends one that is',
    ...[
      enter('b'),
      publishes('b', 'r4', 'x', { retain: true }),
      publishes('b', 'r4', 'y'),
      publishes('b', 'r4', ''),
    ],
    ...[subscriber('a', ['r4', 0]), gets('a', message('r4', 'x', { retain: true })), isOpen('a')],
  ),
  scenario(
    'MQTT-3.3.1-7',
    'a retained message of QoS 0 replaces one of QoS 1',
    ...[enter('b'), publishes('b', 'r5', 'x', { retain: true })],
    ...subscriber('d', ['r5', 0]),
    ...[gets('d', message('r5', 'x', { retain: true })), send('b', message('r5', 'y', { retain: true }))],
    gets('d', message('r5', 'y')),
    ...[
      isOpen('b'),
      subscriber('a', ['r5', 1]),
      gets('a', message('r5', 'y', { retain: true })),
      isOpen('a'),
    ],
  ),
  scenario(
    'MQTT-3.3.1-5',
    'a retained message keeps its QoS, up to that of the subscription',
    ...[enter('b'), publishes('b', 'r6', 'x', { retain: true })],
    ...[
      subscriber('a', ['r6', 2]),
      gets('a', message('r6', 'x', { qos: 1, id: 1, retain: true })),
      isOpen('a'),
    ],
    ...[subscriber('c', ['r6', 0]), gets('c', message('r6', 'x', { retain: true })), isOpen('c')],
  ),
  scenario(
    'MQTT-3.8.4-3',
    'a subscription a second time is sent the retained message again',
    ...[enter('b'), publishes('b', 'r7', 'x', { retain: true }), subscriber('a', ['r7', 0])],
    ...[gets('a', message('r7', 'x', { retain: true })), subscribes('a', ['r7', 0])],
    ...[gets('a', message('r7', 'x', { retain: true })), isOpen('a')],
  ),
  scenario(
    'MQTT-3.1.2-7',
    'a retained message outlives the session of its publisher',
    ...[enter('b'), publishes('b', 'r8', 'x', { retain: true }), send('b', disconnect), isClosed('b')],
    ...[subscriber('a', ['r8', 0]), gets('a', message('r8', 'x', { retain: true })), isOpen('a')],
  ),
  scenario(
    '4.7.2',
    'a retained message below $ is not sent for #',
    ...[enter('b'), publishes('b', '$r9/r9', 'x', { retain: true })],
    ...[subscriber('a', ['+/r9', 1]), isOpen('a')],
    ...[
      subscriber('c', ['$r9/#', 1]),
      gets('c', message('$r9/r9', 'x', { qos: 1, id: 1, retain: true })),
      isOpen('c'),
    ],
  ),
  scenario(
    'MQTT-3.3.1-6',
    'a wildcard is sent the retained messages of all topics that it matches',
    ...[
      enter('b'),
      publishes('b', 'r10', 'x', { retain: true }),
      publishes('b', 'r10/a', 'x', { retain: true }),
    ],
    ...[
      subscriber('a', ['r10/a/#', 1]),
      gets('a', message('r10/a', 'x', { qos: 1, id: 1, retain: true })),
      isOpen('a'),
    ],
    ...[
      subscriber('c', ['r10/+', 1]),
      gets('c', message('r10/a', 'x', { qos: 1, id: 1, retain: true })),
      isOpen('c'),
    ],
  ),
]

const subscriptions: readonly Case[] = [
  scenario(
    'MQTT-2.3.1-4',
    'messages that are not acknowledged have packet identifiers of their own',
    ...[subscriber('a', ['s0', 1]), enter('b'), publishes('b', 's0', 'x'), publishes('b', 's0', 'y')],
    ...[gets('a', message('s0', 'x', { qos: 1, id: 1 }), message('s0', 'y', { qos: 1, id: 2 })), isOpen('a')],
  ),
  scenario(
    'MQTT-3.10.4-3',
    'a message that is under way goes on after UNSUBSCRIBE',
    ...[subscriber('a', ['s11', 2]), enter('b'), send('b', publish('s11', 'x', { qos: 2, id: 1 }))],
    ...[gets('b', pubrec(1)), send('b', pubrel(1)), gets('b', pubcomp(1))],
    ...[
      gets('a', message('s11', 'x', { qos: 2, id: 1 })),
      send('a', unsubscribe(2, 's11')),
      gets('a', unsuback(2)),
    ],
    ...[send('a', pubrec(1)), gets('a', pubrel(1)), send('a', pubcomp(1)), isOpen('a')],
  ),
  scenario(
    '3.3.5',
    'two filters of the same QoS that match bring the message once',
    ...[subscriber('a', ['s1/+', 0], ['s1/#', 0]), enter('b'), publishes('b', 's1/a', 'x')],
    ...[gets('a', message('s1/a', 'x')), isOpen('a')],
  ),
  scenario(
    'MQTT-3.8.4-3',
    'a subscription a second time takes the QoS of the second',
    ...[subscriber('a', ['s2', 0]), subscribes('a', ['s2', 1]), enter('b'), publishes('b', 's2', 'x')],
    ...[gets('a', message('s2', 'x', { qos: 1, id: 1 })), isOpen('a')],
  ),
  scenario(
    'MQTT-3.8.4-3',
    'a subscription a second time may have a lower QoS',
    ...[subscriber('a', ['s3', 1]), subscribes('a', ['s3', 0]), enter('b'), publishes('b', 's3', 'x')],
    ...[gets('a', message('s3', 'x')), isOpen('a')],
  ),
  scenario(
    'MQTT-3.10.4-2',
    'what is unsubscribed from brings nothing more',
    ...[subscriber('a', ['s4', 1], ['s4/b', 1])],
    ...[send('a', unsubscribe(2, 's4')), gets('a', unsuback(2)), enter('b'), publishes('b', 's4', 'x')],
    ...[
      isOpen('a'),
      publishes('b', 's4/b', 'y'),
      gets('a', message('s4/b', 'y', { qos: 1, id: 1 })),
      isOpen('a'),
    ],
  ),
  scenario(
    'MQTT-3.10.4-1',
    'a filter is unsubscribed from by its own characters, not by what it matches',
    ...[subscriber('a', ['s5/+', 0]), send('a', unsubscribe(2, 's5/a', '#', 's5/#')), gets('a', unsuback(2))],
    ...[enter('b'), publishes('b', 's5/a', 'x'), gets('a', message('s5/a', 'x')), isOpen('a')],
  ),
  scenario(
    'MQTT-3.10.4-6',
    'several filters are unsubscribed from at once',
    ...[
      subscriber('a', ['s6/a', 0], ['s6/b', 0]),
      send('a', unsubscribe(2, 's6/a', 's6/b')),
      gets('a', unsuback(2)),
    ],
    ...[enter('b'), publishes('b', 's6/a', 'x'), publishes('b', 's6/b', 'x'), isOpen('a')],
  ),
  scenario(
    '4.7',
    'a client has what it publishes itself',
    ...[
      subscriber('a', ['s7', 0]),
      send('a', message('s7', 'x')),
      gets('a', message('s7', 'x')),
      isOpen('a'),
    ],
  ),
  scenario(
    'MQTT-3.3.1-3',
    'DUP is not handed on',
    ...[subscriber('a', ['s8', 1]), enter('b'), publishes('b', 's8', 'x', { dup: true })],
    ...[gets('a', message('s8', 'x', { qos: 1, id: 1 })), isOpen('a')],
  ),
  scenario(
    'MQTT-4.6.0-5',
    'messages come in the order of their publishing',
    ...[subscriber('a', ['s9', 0]), enter('b')],
    send('b', ...['1', '2', '3', '4', '5'].map((payload) => message('s9', payload))),
    gets('a', ...['1', '2', '3', '4', '5'].map((payload) => message('s9', payload))),
  ),
  scenario(
    '3.3.3',
    'a message without a payload is one',
    ...[subscriber('a', ['s10', 0]), enter('b'), publishes('b', 's10', ''), gets('a', message('s10', ''))],
  ),
]

/** A client has a message under way to it, or two, and answers as it should not, or does. */
const underWay = (topic: string, qos: number): Step[] => [
  ...subscriber('a', [topic, qos]),
  ...enter('b'),
  ...(qos === 1
    ? publishes('b', topic, 'x')
    : [
        send('b', publish(topic, 'x', { qos: 2, id: 1 })),
        ...[gets('b', pubrec(1)), send('b', pubrel(1)), gets('b', pubcomp(1))],
      ]),
  gets('a', message(topic, 'x', { qos, id: 1 })),
]

const answers: readonly Case[] = [
  scenario(
    '4.3.3',
    'PUBACK for a message of QoS 2',
    ...underWay('a1', 2),
    send('a', puback(1)),
    isClosed('a'),
  ),
  scenario('4.3.3', 'PUBCOMP before PUBREC', ...underWay('a2', 2), send('a', pubcomp(1)), isClosed('a')),
  scenario(
    '4.3.3',
    'PUBACK after PUBREC',
    ...[
      ...underWay('a3', 2),
      send('a', pubrec(1)),
      gets('a', pubrel(1)),
      send('a', puback(1)),
      isClosed('a'),
    ],
  ),
  scenario(
    '4.3.3',
    'PUBREC twice',
    ...[...underWay('a4', 2), send('a', pubrec(1)), gets('a', pubrel(1))],
    ...[send('a', pubrec(1)), gets('a', pubrel(1)), send('a', pubcomp(1)), isOpen('a')],
  ),
  scenario(
    '4.3.3',
    'PUBCOMP twice',
    ...[...underWay('a5', 2), send('a', pubrec(1)), gets('a', pubrel(1))],
    ...[send('a', pubcomp(1)), send('a', pubcomp(1)), isOpen('a')],
  ),
  scenario(
    '4.3.2',
    'PUBREC for a message of QoS 1',
    ...underWay('a6', 1),
    send('a', pubrec(1)),
    isClosed('a'),
  ),
  scenario(
    '4.3.2',
    'PUBCOMP for a message of QoS 1',
    ...underWay('a7', 1),
    send('a', pubcomp(1)),
    isClosed('a'),
  ),
  scenario(
    '4.3.2',
    'PUBACK twice',
    ...[...underWay('a8', 1), send('a', puback(1)), send('a', puback(1)), isOpen('a')],
  ),
  scenario(
    '4.3.3',
    'PUBREL while a message of that packet identifier is under way to its sender',
    ...[...underWay('a9', 2), send('a', pubrel(1)), gets('a', pubcomp(1))],
    ...[send('a', pubrec(1)), gets('a', pubrel(1)), send('a', pubcomp(1)), isOpen('a')],
  ),
  scenario(
    '4.3.3',
    'a message whose answer was wrong comes again',
    ...[enter('a', persistent('a10')), subscribes('a', ['a10', 2]), enter('b')],
    ...[send('b', publish('a10', 'x', { qos: 2, id: 1 })), gets('b', pubrec(1)), send('b', pubrel(1))],
    ...[gets('b', pubcomp(1)), gets('a', message('a10', 'x', { qos: 2, id: 1 }))],
    ...[send('a', puback(1)), isClosed('a'), leave('a'), enter('a', persistent('a10'), true)],
    ...[gets('a', message('a10', 'x', { qos: 2, id: 1, dup: true })), send('a', pubrec(1))],
    ...[gets('a', pubrel(1)), send('a', pubcomp(1)), isOpen('a')],
  ),
  scenario(
    '4.3.3',
    'PUBACK for a PUBREL that came again',
    ...[enter('a', persistent('a11')), subscribes('a', ['a11', 2]), enter('b')],
    ...[send('b', publish('a11', 'x', { qos: 2, id: 1 })), gets('b', pubrec(1)), send('b', pubrel(1))],
    ...[gets('b', pubcomp(1)), gets('a', message('a11', 'x', { qos: 2, id: 1 })), send('a', pubrec(1))],
    ...[gets('a', pubrel(1)), leave('a'), enter('a', persistent('a11'), true), gets('a', pubrel(1))],
    ...[send('a', puback(1)), isClosed('a')],
  ),
  ...[false, true].map((isPersistent) =>
    scenario(
      'MQTT-4.6.0-4',
      `PUBRELs come in the order of the PUBRECs${isPersistent ? ', in a session that lasts' : ''}`,
      ...enter('a', isPersistent ? persistent('a12') : connect()),
      ...subscribes('a', ['a12', 2]),
      ...enter('b'),
      ...[1, 2, 3].flatMap((id) => [
        ...[send('b', publish('a12', `${id}`, { qos: 2, id })), gets('b', pubrec(id))],
        ...[
          send('b', pubrel(id)),
          gets('b', pubcomp(id)),
          gets('a', message('a12', `${id}`, { qos: 2, id })),
        ],
      ]),
      ...[3, 1, 2].map((id) => send('a', pubrec(id))),
      ...[gets('a', pubrel(3), pubrel(1), pubrel(2)), isOpen('a')],
      ...[send('a', unsubscribe(2, 'a12')), gets('a', unsuback(2))],
    ),
  ),
]

/** Filters of one client that match a message of QoS 2, and the QoS that it has here and with Mosquitto. */
interface Overlap {
  readonly topic: string
  readonly filters: readonly (readonly [string, number])[]
  readonly qos: 1 | 2
  readonly mosquittos: 0 | 1 | 2
}

export const overlaps: readonly Overlap[] = [
  {
    topic: 'v/1',
    filters: [
      ['v/1/#', 0],
      ['v/+', 1],
    ],
    qos: 1,
    mosquittos: 0,
  },
  {
    topic: 'v/2',
    filters: [
      ['v/2/#', 1],
      ['v/+', 0],
    ],
    qos: 1,
    mosquittos: 1,
  },
  {
    topic: 'v/3',
    filters: [
      ['v/3/#', 2],
      ['v/+', 0],
      ['v/3', 1],
    ],
    qos: 2,
    mosquittos: 2,
  },
  {
    topic: 'v/4',
    filters: [
      ['v/4', 0],
      ['v/4/#', 2],
      ['v/+', 1],
    ],
    qos: 2,
    mosquittos: 2,
  },
  {
    topic: 'v/5',
    filters: [
      ['v/+', 1],
      ['v/5', 2],
    ],
    qos: 2,
    mosquittos: 2,
  },
  {
    topic: 'v/6/a',
    filters: [
      ['v/6/#', 1],
      ['v/6/+', 0],
    ],
    qos: 1,
    mosquittos: 0,
  },
  {
    topic: 'v/7/a',
    filters: [
      ['v/7/#', 0],
      ['v/7/+', 1],
    ],
    qos: 1,
    mosquittos: 1,
  },
]

export const overlapName = ({ filters }: Overlap): string =>
  `a message for ${filters.map(([filter, granted]) => `${filter} at QoS ${granted}`).join(', ')}`

/** A client with these filters is sent the message once, with this QoS. */
export const overlapSteps = ({ topic, filters }: Overlap, qos: 0 | 1 | 2): Step[] => [
  ...subscriber('a', ...filters),
  ...[...enter('b'), send('b', publish(topic, 'x', { qos: 2, id: 1 })), gets('b', pubrec(1))],
  ...[send('b', pubrel(1)), gets('b', pubcomp(1))],
  gets('a', message(topic, 'x', qos === 0 ? {} : { qos, id: 1 })),
  ...(qos === 1 ? [send('a', puback(1))] : []),
  ...(qos === 2 ? [send('a', pubrec(1)), gets('a', pubrel(1)), send('a', pubcomp(1))] : []),
  ...[isOpen('a'), isOpen('b')],
]

const overlapping = overlaps.map((overlap) =>
  scenario('MQTT-3.3.5-1', overlapName(overlap), ...overlapSteps(overlap, overlap.qos)),
)

export const REPEATED =
  'a filter that stands twice in a SUBSCRIBE replaces itself, and has its retained message sent again'

/** The retained message comes like this first, and then at QoS 1. */
export const repeatedFilter = (first: Publish): Step[] => {
  const [again, next] = first.id === undefined ? [1, 2] : [2, 3]
  return [
    ...[...enter('b'), ...publishes('b', 'i/2', 'x', { retain: true }), ...enter('a')],
    ...[send('a', subscribe(1, ['i/2', 0], ['i/2', 1])), gets('a', suback(1, 0, 1))],
    gets('a', message('i/2', 'x', first), message('i/2', 'x', { retain: true, qos: 1, id: again })),
    ...[...publishes('b', 'i/2', 'y'), gets('a', message('i/2', 'y', { qos: 1, id: next })), isOpen('a')],
  ]
}

/** A SUBSCRIBE of several filters is as many of one. */
const inTurn: readonly Case[] = [
  scenario(
    'MQTT-3.8.4-4',
    'a retained message is sent for each filter of a SUBSCRIBE',
    ...[enter('b'), publishes('b', 'i/1', 'x', { retain: true }), enter('a')],
    send('a', subscribe(1, ['i/1/#', 0], ['i/+', 0])),
    gets('a', suback(1, 0, 0)),
    ...[gets('a', message('i/1', 'x', { retain: true }), message('i/1', 'x', { retain: true })), isOpen('a')],
  ),
  scenario('MQTT-3.8.4-3', REPEATED, ...repeatedFilter({ retain: true, qos: 1, id: 1 })),
]

const exactlyOnce: readonly Case[] = [
  scenario(
    'MQTT-4.3.3-2',
    'a message of QoS 2 that is sent again before PUBREL is delivered once',
    ...[subscriber('a', ['o1', 0]), enter('b')],
    ...[send('b', publish('o1', 'x', { qos: 2, id: 7 })), gets('b', pubrec(7))],
    ...[send('b', publish('o1', 'x', { qos: 2, id: 7, dup: true })), gets('b', pubrec(7))],
    ...[send('b', pubrel(7)), gets('b', pubcomp(7)), gets('a', message('o1', 'x')), isOpen('a'), isOpen('b')],
  ),
  scenario(
    'MQTT-4.3.3-2',
    'after PUBCOMP the packet identifier is that of a new message',
    ...[subscriber('a', ['o2', 0]), enter('b')],
    ...[send('b', publish('o2', 'x', { qos: 2, id: 7 })), gets('b', pubrec(7)), send('b', pubrel(7))],
    ...[gets('b', pubcomp(7)), send('b', publish('o2', 'y', { qos: 2, id: 7 })), gets('b', pubrec(7))],
    ...[
      send('b', pubrel(7)),
      gets('b', pubcomp(7)),
      gets('a', message('o2', 'x'), message('o2', 'y')),
      isOpen('a'),
    ],
  ),
  scenario(
    'MQTT-4.3.3-2',
    'PUBREL is answered also the second time',
    ...[enter('b'), send('b', publish('o3', 'x', { qos: 2, id: 7 })), gets('b', pubrec(7))],
    ...[
      send('b', pubrel(7)),
      gets('b', pubcomp(7)),
      send('b', pubrel(7)),
      gets('b', pubcomp(7)),
      isOpen('b'),
    ],
  ),
  scenario(
    'MQTT-4.3.3-2',
    'a message of QoS 2 is known again after a new connection',
    ...[subscriber('a', ['o4', 0]), enter('b', persistent('o4')), subscribes('b', ['o4/b', 0])],
    ...[send('b', publish('o4', 'x', { qos: 2, id: 7 })), gets('b', pubrec(7))],
    ...[leave('b'), enter('b', persistent('o4'), true)],
    ...[send('b', publish('o4', 'x', { qos: 2, id: 7, dup: true })), gets('b', pubrec(7))],
    ...[send('b', pubrel(7)), gets('b', pubcomp(7)), gets('a', message('o4', 'x')), isOpen('a')],
  ),
  scenario(
    'MQTT-3.1.2-6',
    'a clean session knows nothing of the messages of the one before',
    ...[subscriber('a', ['o5', 0]), enter('b', connect({ clientId: 'o5' }))],
    ...[send('b', publish('o5/x', 'x', { qos: 2, id: 7 })), gets('b', pubrec(7))],
    ...[leave('b'), enter('b', connect({ clientId: 'o5' }))],
    ...[send('b', publish('o5', 'y', { qos: 2, id: 7 })), gets('b', pubrec(7)), send('b', pubrel(7))],
    ...[gets('b', pubcomp(7)), gets('a', message('o5', 'y')), isOpen('a')],
  ),
]

const sessions: readonly Case[] = [
  scenario(
    'MQTT-4.6.0-1',
    'messages that were not acknowledged come again in their order [MQTT-4.6.0-6]',
    ...[enter('a', persistent('n9')), subscribes('a', ['n9', 1]), enter('b')],
    ...['x', 'y', 'z'].map((payload) => publishes('b', 'n9', payload)),
    gets('a', ...['x', 'y', 'z'].map((payload, index) => message('n9', payload, { qos: 1, id: index + 1 }))),
    ...[leave('a'), enter('a', persistent('n9'), true)],
    gets(
      'a',
      ...['x', 'y', 'z'].map((payload, index) =>
        message('n9', payload, { qos: 1, id: index + 1, dup: true }),
      ),
    ),
    isOpen('a'),
  ),
  scenario(
    'MQTT-3.2.2-2',
    'a session that never had a subscription is present',
    ...[enter('a', persistent('n0')), send('a', disconnect), isClosed('a')],
    ...[enter('b', persistent('n0'), true), isOpen('b')],
  ),
  scenario(
    'MQTT-3.2.2-2',
    'a session whose last subscription is gone is present',
    ...[enter('a', persistent('n10')), subscribes('a', ['n10', 1])],
    ...[send('a', unsubscribe(2, 'n10')), gets('a', unsuback(2)), send('a', disconnect), isClosed('a')],
    ...[enter('b', persistent('n10'), true), isOpen('b')],
  ),
  scenario(
    'MQTT-3.2.2-2',
    'a session without a subscription is present to a client that takes it over',
    ...[enter('a', persistent('n11')), enter('b', persistent('n11'), true), isClosed('a'), isOpen('b')],
  ),
  scenario(
    'MQTT-3.2.2-3',
    'a session without a subscription is ended by a clean one',
    ...[enter('a', persistent('n12')), send('a', disconnect), isClosed('a')],
    ...[enter('b', connect({ clientId: 'n12' })), send('b', disconnect), isClosed('b')],
    ...[enter('c', persistent('n12')), isOpen('c')],
  ),
  scenario(
    '4.7.3',
    'a session without a subscription has none when it is resumed',
    ...[
      enter('a', persistent('n13')),
      send('a', disconnect),
      isClosed('a'),
      enter('b', persistent('n13'), true),
    ],
    ...[enter('c'), publishes('c', 'n13', 'x'), isOpen('b'), subscribes('b', ['n13', 0])],
    ...[publishes('c', 'n13', 'y'), gets('b', message('n13', 'y')), isOpen('b')],
  ),
  scenario(
    'MQTT-3.2.2-3',
    'a session that is new is not present',
    ...[enter('a', persistent('n1')), isOpen('a')],
  ),
  scenario(
    'MQTT-3.2.2-2',
    'a session is present when its client comes back [MQTT-3.1.3-2]',
    ...[enter('a', persistent('n2')), subscribes('a', ['n2', 1]), send('a', disconnect), isClosed('a')],
    ...[enter('b', persistent('n2'), true), isOpen('b')],
  ),
  scenario(
    'MQTT-3.1.2-6',
    'a clean session ends the one before [MQTT-3.2.2-1], [MQTT-3.1.4-3]',
    ...[enter('a', persistent('n3')), subscribes('a', ['n3', 1]), send('a', disconnect), isClosed('a')],
    ...[enter('b', connect({ clientId: 'n3' })), send('b', disconnect), isClosed('b')],
    ...[enter('c', persistent('n3')), enter('d'), publishes('d', 'n3', 'x'), isOpen('c')],
  ),
  scenario(
    'MQTT-3.1.2-5',
    'messages wait for a client that is away, and come in their order behind the CONNACK [MQTT-3.1.2-4], [MQTT-3.2.0-1], [MQTT-4.1.0-1], [MQTT-4.5.0-1]',
    ...[enter('a', persistent('n4')), subscribes('a', ['n4', 1]), send('a', disconnect), isClosed('a')],
    ...[enter('b'), publishes('b', 'n4', 'x'), publishes('b', 'n4', 'y')],
    ...[send('b', publish('n4', 'at QoS 2', { qos: 2, id: 2 })), gets('b', pubrec(2)), send('b', pubrel(2))],
    ...[gets('b', pubcomp(2)), enter('c', persistent('n4'), true)],
    gets(
      'c',
      ...['x', 'y', 'at QoS 2'].map((payload, index) => message('n4', payload, { qos: 1, id: index + 1 })),
    ),
    ...[send('c', puback(1)), send('c', puback(2)), send('c', puback(3)), isOpen('c')],
  ),
  scenario(
    'MQTT-4.4.0-1',
    'a message that was not acknowledged comes again, marked as such, as the same [MQTT-3.3.1-1], [MQTT-2.3.1-3]',
    ...[enter('a', persistent('n5')), subscribes('a', ['n5', 1]), enter('b'), publishes('b', 'n5', 'x')],
    ...[gets('a', message('n5', 'x', { qos: 1, id: 1 })), leave('a'), enter('a', persistent('n5'), true)],
    ...[gets('a', message('n5', 'x', { qos: 1, id: 1, dup: true })), send('a', puback(1)), isOpen('a')],
    ...[leave('a'), enter('a', persistent('n5'), true), isOpen('a')],
  ),
  scenario(
    'MQTT-4.4.0-1',
    'PUBREL comes again until PUBCOMP, with its flags [MQTT-2.2.2-1]',
    ...[enter('a', persistent('n6')), subscribes('a', ['n6', 2]), enter('b')],
    ...[send('b', publish('n6', 'x', { qos: 2, id: 9 })), gets('b', pubrec(9)), send('b', pubrel(9))],
    ...[gets('b', pubcomp(9)), gets('a', message('n6', 'x', { qos: 2, id: 1 })), send('a', pubrec(1))],
    ...[gets('a', pubrel(1)), leave('a'), enter('a', persistent('n6'), true), gets('a', pubrel(1))],
    ...[send('a', pubcomp(1)), isOpen('a'), leave('a'), enter('a', persistent('n6'), true), isOpen('a')],
  ),
  scenario(
    'MQTT-3.10.4-2',
    'what was unsubscribed from does not wait for a client that is away',
    ...[enter('a', persistent('n7')), subscribes('a', ['n7', 1], ['n7/b', 1])],
    ...[send('a', unsubscribe(2, 'n7')), gets('a', unsuback(2)), send('a', disconnect), isClosed('a')],
    ...[
      enter('b'),
      publishes('b', 'n7', 'x'),
      publishes('b', 'n7/b', 'y'),
      enter('c', persistent('n7'), true),
    ],
    ...[gets('c', message('n7/b', 'y', { qos: 1, id: 1 })), isOpen('c')],
  ),
  scenario(
    'MQTT-3.1.4-2',
    'a client that takes over its own client id has its session',
    ...[
      enter('a', persistent('n8')),
      subscribes('a', ['n8', 1]),
      enter('b', persistent('n8'), true),
      isClosed('a'),
    ],
    ...[enter('c'), publishes('c', 'n8', 'x'), gets('b', message('n8', 'x', { qos: 1, id: 1 })), isOpen('b')],
  ),
]

const wills: readonly Case[] = [
  scenario(
    'MQTT-3.1.2-8',
    'a will is published when a connection ends without DISCONNECT',
    ...[
      subscriber('a', ['w1', 2]),
      enter('b', will(0, 'w1', 'gone')),
      leave('b'),
      gets('a', message('w1', 'gone')),
    ],
    isOpen('a'),
  ),
  scenario(
    'MQTT-3.1.2-8',
    'a will is published when a client breaks the protocol',
    ...[
      subscriber('a', ['w2', 0]),
      enter('b', will(0, 'w2', 'gone')),
      send('b', packet(0xf0)),
      isClosed('b'),
    ],
    ...[gets('a', message('w2', 'gone')), isOpen('a')],
  ),
  scenario(
    'MQTT-3.14.4-3',
    'a will is not published after DISCONNECT [MQTT-3.1.2-10]',
    ...[
      subscriber('a', ['w3', 0]),
      enter('b', will(0, 'w3', 'gone')),
      send('b', disconnect),
      isClosed('b'),
      isOpen('a'),
    ],
  ),
  scenario(
    'MQTT-3.1.2-8',
    'a will is published when another connection takes the client id over',
    ...[subscriber('a', ['w4', 0])],
    enter('b', connect({ clientId: 'w4', flags: 0x06, more: [string('w4'), string('gone')] })),
    ...[
      enter('c', connect({ clientId: 'w4' })),
      isClosed('b'),
      gets('a', message('w4', 'gone')),
      isOpen('a'),
    ],
  ),
  scenario(
    'MQTT-3.1.2-9',
    'a will has its QoS',
    ...[subscriber('a', ['w5', 2]), enter('b', will(0x08, 'w5', 'gone')), leave('b')],
    ...[gets('a', message('w5', 'gone', { qos: 1, id: 1 })), isOpen('a')],
  ),
  scenario(
    'MQTT-3.1.2-17',
    'a retained will is retained',
    ...[
      subscriber('a', ['w6', 0]),
      enter('b', will(0x20, 'w6', 'gone')),
      leave('b'),
      gets('a', message('w6', 'gone')),
    ],
    ...[subscriber('c', ['w6', 0]), gets('c', message('w6', 'gone', { retain: true })), isOpen('c')],
  ),
  scenario(
    'MQTT-3.1.2-16',
    'a will that is not retained is not retained',
    ...[
      subscriber('a', ['w7', 0]),
      enter('b', will(0, 'w7', 'gone')),
      leave('b'),
      gets('a', message('w7', 'gone')),
    ],
    ...[subscriber('c', ['w7', 0]), isOpen('c')],
  ),
  scenario(
    'MQTT-3.1.2-12',
    'no will is published of a client without one',
    ...[subscriber('a', ['w8', 0]), enter('b', connect({ clientId: 'w8' })), leave('b'), isOpen('a')],
  ),
  scenario(
    '3.1.3.3',
    'a will without a payload is published',
    ...[
      subscriber('a', ['w9', 0]),
      enter('b', will(0, 'w9', '')),
      leave('b'),
      gets('a', message('w9', '')),
      isOpen('a'),
    ],
  ),
  scenario(
    'MQTT-3.1.2-24',
    'a will is published when the keep alive of its client has run out',
    ...[subscriber('a', ['w10', 0])],
    enter('b', connect({ flags: 0x06, keepAlive: 1, more: [string('w10'), string('gone')] })),
    ...[gets('a', message('w10', 'gone')), isOpen('a')],
  ),
]

const order: readonly Case[] = [
  scenario(
    'MQTT-3.14.4-2',
    'what follows a DISCONNECT is not read',
    ...[
      subscriber('a', ['d1', 0]),
      enter('b'),
      send('b', disconnect, message('d1', 'x')),
      isClosed('b'),
      isOpen('a'),
    ],
  ),
  scenario(
    'MQTT-4.8.0-1',
    'what comes before a wrong packet is handled, and what follows it is not',
    ...[subscriber('a', ['d2', 0]), enter('b')],
    send('b', message('d2', 'x'), packet(0x36, string('d2')), message('d2', 'y')),
    ...[isClosed('b'), gets('a', message('d2', 'x')), isOpen('a')],
  ),
  scenario(
    '3.1.4',
    'messages that are sent before the CONNACK come before those after it',
    ...[subscriber('a', ['d3', 0])],
    send('b', connect(), message('d3', '1'), message('d3', '2'), pingreq),
    gets('b', connack(), pingresp),
    send('b', message('d3', '3')),
    ...[gets('a', message('d3', '1'), message('d3', '2'), message('d3', '3')), isOpen('a')],
  ),
  scenario(
    '3.1.4',
    'a whole conversation in one go',
    ...[subscriber('a', ['d4', 0]), send('b', connect(), message('d4', 'x'), disconnect)],
    ...[gets('b', connack()), isClosed('b'), gets('a', message('d4', 'x')), isOpen('a')],
  ),
  scenario(
    'MQTT-4.6.0-2',
    'acknowledgements come in the order of the messages',
    ...[enter('b')],
    send('b', bytes(...[3, 1, 2].map((id) => publish('d5', 'x', { qos: 1, id })))),
    ...[gets('b', puback(3), puback(1), puback(2)), isOpen('b')],
  ),
  scenario(
    'MQTT-4.6.0-3',
    'PUBRECs come in the order of the messages',
    ...[enter('b')],
    send('b', bytes(...[3, 1, 2].map((id) => publish('d6', 'x', { qos: 2, id })))),
    ...[gets('b', pubrec(3), pubrec(1), pubrec(2)), isOpen('b')],
  ),
]

/** What becomes of right packets, between clients. */
export const deliveryCases: readonly Case[] = [
  ...matching,
  ...qualities,
  ...retained,
  ...subscriptions,
  ...answers,
  ...overlapping,
  ...inTurn,
  ...exactlyOnce,
  ...sessions,
  ...wills,
  ...order,
]
