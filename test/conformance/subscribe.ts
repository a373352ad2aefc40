import { bytes, first, packet, string, suback, subscribe, uint16, unsuback, unsubscribe } from './bytes.js'
import { afterConnack, type Case, closes, type Outcome, opens } from './case.js'

const granted: Outcome = opens(suback(1, 0))

const filters: readonly (readonly [clause: string, filter: string, isRight: boolean])[] = [
  ['4.7.1', 'a', true],
  ['MQTT-3.8.3-2', '#', true],
  ['4.7.1', '+', true],
  ['4.7.1', '/', true],
  ['4.7.1', '//', true],
  ['4.7.1', '/#', true],
  ['4.7.1', '/+', true],
  ['4.7.1', '+/', true],
  ['4.7.1', '+/+', true],
  ['4.7.1', '+/#', true],
  ['4.7.1', '+/a/#', true],
  ['4.7.1', 'a/+/b', true],
  ['4.7.1', 'a/#', true],
  ['4.7.1', 'a/+', true],
  ['4.7.1', 'a//b', true],
  ['4.7.2', '$SYS/none/#', true],
  ['4.7.2', '$other/+', true],
  ['4.7.1', 'é/+', true],
  ['MQTT-4.7.1-2', 'a#', false],
  ['MQTT-4.7.1-2', '#a', false],
  ['MQTT-4.7.1-2', '##', false],
  ['MQTT-4.7.1-2', '#/', false],
  ['MQTT-4.7.1-2', '#/a', false],
  ['MQTT-4.7.1-2', 'a/#/b', false],
  ['MQTT-4.7.1-2', 'a/b#', false],
  ['MQTT-4.7.1-2', 'a/#b', false],
  ['MQTT-4.7.1-2', 'a/#/', false],
  ['MQTT-4.7.1-2', '/#/a', false],
  ['MQTT-4.7.1-2', '+#', false],
  ['MQTT-4.7.1-2', 'é#', false],
  ['MQTT-4.7.1-3', 'a+', false],
  ['MQTT-4.7.1-3', '+a', false],
  ['MQTT-4.7.1-3', '++', false],
  ['MQTT-4.7.1-3', 'a/b+', false],
  ['MQTT-4.7.1-3', 'a/+b', false],
  ['MQTT-4.7.1-3', 'a/b+/c', false],
  ['MQTT-4.7.1-3', 'a/+b/c', false],
  ['MQTT-4.7.1-3', '#+', false],
  ['MQTT-4.7.1-3', '+é', false],
  ['MQTT-4.7.3-1', '', false],
]

const bothWays: readonly Case[] = filters.flatMap(([clause, filter, isRight]) => [
  afterConnack(clause, `SUBSCRIBE to "${filter}"`, subscribe(1, [filter, 0]), isRight ? granted : closes()),
  afterConnack(
    clause,
    `UNSUBSCRIBE from "${filter}"`,
    unsubscribe(1, filter),
    isRight ? opens(unsuback(1)) : closes(),
  ),
])

const options: readonly Case[] = Array.from({ length: 256 }, (_, byte) => byte)
  .filter((byte) => byte < 8 || (byte & (byte - 1)) === 0 || byte === 0xff || byte === 0x82)
  .map((byte) =>
    afterConnack(
      'MQTT-3-8.3-4',
      `SUBSCRIBE with the options ${byte.toString(2).padStart(8, '0')}`,
      subscribe(1, ['a', byte]),
      byte < 3 ? opens(suback(1, byte)) : closes(),
    ),
  )

const subscribes: readonly (readonly [string, string, Buffer, Outcome])[] = [
  ['MQTT-2.3.1-1', 'packet identifier 0', subscribe(0, ['a', 0]), closes()],
  [
    'MQTT-3.8.4-2',
    'packet identifier 65,535 [MQTT-2.3.1-7]',
    subscribe(65_535, ['a', 0]),
    opens(suback(65_535, 0)),
  ],
  ['MQTT-3.8.4-1', 'a filter', subscribe(1, ['a', 0]), granted],
  ['MQTT-3.8.3-3', 'no filter', packet(first.subscribe, uint16(1)), closes()],
  ['MQTT-3.8.3-3', 'nothing at all', packet(first.subscribe), closes()],
  ['MQTT-3.8.3-3', 'half a packet identifier', packet(first.subscribe, 1), closes()],
  ['4.8', 'a filter without options', packet(first.subscribe, uint16(1), string('a')), closes()],
  ['4.8', 'half the length of a filter', packet(first.subscribe, uint16(1), 0), closes()],
  ['4.8', 'the length of a filter alone', packet(first.subscribe, uint16(1), uint16(1)), closes()],
  [
    '4.8',
    'a filter that is longer than the packet',
    packet(first.subscribe, uint16(1), uint16(9), 'a', 0),
    closes(),
  ],
  ['4.8', 'a byte behind the last filter', packet(first.subscribe, uint16(1), string('a'), 0, 0), closes()],
  [
    '4.8',
    'a second filter without options',
    bytes(packet(0x82, uint16(1), string('a'), 0, string('b'))),
    closes(),
  ],
  [
    'MQTT-3.8.4-5',
    'three filters [MQTT-3.8.4-4]',
    subscribe(1, ['a', 0], ['b', 1], ['c', 2]),
    opens(suback(1, 0, 1, 2)),
  ],
  [
    'MQTT-3.9.3-1',
    'three filters in another order, of every QoS [MQTT-3.9.3-2]',
    subscribe(1, ['c', 2], ['a', 0], ['b', 1]),
    opens(suback(1, 2, 0, 1)),
  ],
  ['MQTT-3.8.4-5', 'the same filter twice', subscribe(1, ['a', 0], ['a', 1]), opens(suback(1, 0, 1))],
  [
    'MQTT-3.8.4-5',
    'two filters three times and twice, in turn',
    subscribe(7, ['a', 2], ['b', 1], ['a', 0], ['b', 2], ['a', 1]),
    opens(suback(7, 2, 1, 0, 2, 1)),
  ],
  [
    'MQTT-3.8.4-5',
    '200 times the same filter',
    subscribe(1, ...Array.from({ length: 200 }, (_, index) => ['a', index % 3] as const)),
    opens(suback(1, ...Array.from({ length: 200 }, (_, index) => index % 3))),
  ],
  ['MQTT-4.7.1-3', 'the same wrong filter twice', subscribe(1, ['b+', 1], ['b+', 1]), closes()],
  ['MQTT-4.7.1-3', 'a right filter and a wrong one', subscribe(1, ['a', 0], ['b+', 1]), closes()],
  ['MQTT-4.7.3-1', 'a right filter and an empty one', subscribe(1, ['a', 0], ['', 1]), closes()],
  ['MQTT-4.7.3-3', 'a filter of 65,535 bytes', subscribe(1, ['f'.repeat(65_535), 0]), granted],
  ['4.7.1', 'a filter of 100 levels', subscribe(1, ['a/'.repeat(99), 0]), granted],
  [
    '3.8',
    'a filter a second time',
    bytes(subscribe(1, ['a', 0]), subscribe(2, ['a', 2])),
    opens(suback(1, 0), suback(2, 2)),
  ],
]

const unsubscribes: readonly (readonly [string, string, Buffer, Outcome])[] = [
  ['MQTT-2.3.1-1', 'packet identifier 0', unsubscribe(0, 'a'), closes()],
  [
    'MQTT-3.10.4-4',
    'packet identifier 65,535 [MQTT-2.3.1-7]',
    unsubscribe(65_535, 'a'),
    opens(unsuback(65_535)),
  ],
  ['MQTT-3.10.4-5', 'a filter that nobody subscribed to', unsubscribe(1, 'a'), opens(unsuback(1))],
  ['MQTT-3.10.4-6', 'three filters', unsubscribe(1, 'a', 'b', 'c'), opens(unsuback(1))],
  ['MQTT-3.10.3-2', 'no filter', packet(first.unsubscribe, uint16(1)), closes()],
  ['MQTT-3.10.3-2', 'nothing at all', packet(first.unsubscribe), closes()],
  ['4.8', 'half a packet identifier', packet(first.unsubscribe, 1), closes()],
  ['4.8', 'half the length of a filter', packet(first.unsubscribe, uint16(1), 0), closes()],
  ['4.8', 'the length of a filter alone', packet(first.unsubscribe, uint16(1), uint16(1)), closes()],
  [
    '4.8',
    'a filter that is longer than the packet',
    packet(first.unsubscribe, uint16(1), uint16(9), 'a'),
    closes(),
  ],
  ['4.8', 'a byte behind the last filter', packet(first.unsubscribe, uint16(1), string('a'), 0), closes()],
  ['MQTT-4.7.1-3', 'a right filter and a wrong one', unsubscribe(1, 'a', 'b+'), closes()],
  ['MQTT-4.7.3-1', 'a right filter and an empty one', unsubscribe(1, 'a', ''), closes()],
  ['MQTT-4.7.3-3', 'a filter of 65,535 bytes', unsubscribe(1, 'f'.repeat(65_535)), opens(unsuback(1))],
]

/** What a SUBSCRIBE and an UNSUBSCRIBE may have. */
export const subscribeCases: readonly Case[] = [
  ...bothWays,
  ...options,
  ...subscribes.map(([clause, name, sent, outcome]) =>
    afterConnack(clause, `SUBSCRIBE with ${name}`, sent, outcome),
  ),
  ...unsubscribes.map(([clause, name, sent, outcome]) =>
    afterConnack(clause, `UNSUBSCRIBE with ${name}`, sent, outcome),
  ),
]
