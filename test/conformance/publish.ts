import {
  bytes,
  first,
  packet,
  pingreq,
  pingresp,
  puback,
  pubcomp,
  publish,
  pubrec,
  pubrel,
  string,
  uint16,
} from './bytes.js'
import { afterConnack, type Case, closes, type Outcome, opens } from './case.js'

const longest = 't'.repeat(65_535)
const atQos1 = (topic: string | Uint8Array): Buffer => publish(topic, 'x', { qos: 1, id: 1 })

const flags: readonly (readonly [string, string, Buffer, Outcome])[] = [
  ['MQTT-3.3.4-1', 'QoS 0', publish('p', 'x'), opens()],
  ['MQTT-3.3.4-1', 'QoS 1', publish('p', 'x', { qos: 1, id: 9 }), opens(puback(9))],
  ['MQTT-3.3.4-1', 'QoS 2', publish('p', 'x', { qos: 2, id: 9 }), opens(pubrec(9))],
  ['MQTT-3.3.4-1', 'QoS 1 with DUP', publish('p', 'x', { qos: 1, id: 9, dup: true }), opens(puback(9))],
  ['MQTT-3.3.4-1', 'QoS 2 with DUP', publish('p', 'x', { qos: 2, id: 9, dup: true }), opens(pubrec(9))],
  ['MQTT-3.3.1-4', 'QoS 3', publish('p', 'x', { qos: 3, id: 9 }), closes()],
  ['MQTT-3.3.1-4', 'QoS 3 with DUP', publish('p', 'x', { qos: 3, id: 9, dup: true }), closes()],
  ['MQTT-3.3.1-4', 'QoS 3 with RETAIN', publish('p', 'x', { qos: 3, id: 9, retain: true }), closes()],
  ['MQTT-3.3.1-2', 'QoS 0 with DUP', publish('p', 'x', { dup: true }), closes()],
  ['MQTT-3.3.1-2', 'QoS 0 with DUP and RETAIN', publish('p', '', { dup: true, retain: true }), closes()],
]

const identifiers: readonly (readonly [string, string, Buffer, Outcome])[] = [
  ['MQTT-2.3.1-1', 'packet identifier 0 at QoS 1', publish('p', 'x', { qos: 1, id: 0 }), closes()],
  ['MQTT-2.3.1-1', 'packet identifier 0 at QoS 2', publish('p', 'x', { qos: 2, id: 0 }), closes()],
  ['MQTT-2.3.1-1', 'packet identifier 1', publish('p', 'x', { qos: 1, id: 1 }), opens(puback(1))],
  [
    'MQTT-2.3.1-1',
    'packet identifier 256, which the answer has as well [MQTT-2.3.1-6]',
    publish('p', 'x', { qos: 1, id: 256 }),
    opens(puback(256)),
  ],
  [
    'MQTT-2.3.1-1',
    'packet identifier 65,535',
    publish('p', 'x', { qos: 1, id: 65_535 }),
    opens(puback(65_535)),
  ],
  ['MQTT-2.3.1-1', 'QoS 1 without a packet identifier', packet(0x32, string('p')), closes()],
  ['MQTT-2.3.1-1', 'QoS 1 with half a packet identifier', packet(0x32, string('p'), 1), closes()],
  ['MQTT-2.3.1-1', 'QoS 2 without a packet identifier', packet(0x34, string('p')), closes()],
  ['3.3.3', 'no payload at QoS 0', publish('p', ''), opens()],
  ['3.3.3', 'no payload at QoS 1', publish('p', '', { qos: 1, id: 3 }), opens(puback(3))],
]

const topics: readonly (readonly [string, string, string | Uint8Array, Outcome])[] = [
  ['MQTT-4.7.3-1', 'an empty topic', '', closes()],
  ['MQTT-3.3.2-2', 'the topic #', '#', closes()],
  ['MQTT-3.3.2-2', 'the topic +', '+', closes()],
  ['MQTT-3.3.2-2', 'the topic a/#', 'a/#', closes()],
  ['MQTT-3.3.2-2', 'the topic a/+/b', 'a/+/b', closes()],
  ['MQTT-3.3.2-2', 'the topic a#', 'a#', closes()],
  ['MQTT-3.3.2-2', 'the topic +a', '+a', closes()],
  ['MQTT-3.3.2-2', 'the topic a+b', 'a+b', closes()],
  ['MQTT-3.3.2-2', 'the topic #/a', '#/a', closes()],
  ['MQTT-3.3.2-2', 'a wildcard behind other characters of Unicode', 'é/+', closes()],
  ['4.7.3', 'the topic /', '/', opens(puback(1))],
  ['4.7.3', 'the topic //', '//', opens(puback(1))],
  ['4.7.3', 'a topic that begins with a slash', '/a', opens(puback(1))],
  ['4.7.3', 'a topic that ends with a slash', 'a/', opens(puback(1))],
  ['4.7.3', 'a topic with spaces', 'a topic with spaces', opens(puback(1))],
  ['4.7.3', 'a topic of 65,535 bytes', longest, opens(puback(1))],
  ['4.7.3', 'a topic of 100 levels', 'a/'.repeat(99), opens(puback(1))],
  ['4.7.3', 'a topic of 201 levels', 'a/'.repeat(200), closes()],
  ['4.7.2', 'a topic that begins with $', '$other/a', opens(puback(1))],
  ['4.7.2', 'a topic below $SYS', '$SYS/a', opens(puback(1))],
  ['3.3.2.1', 'the topic __proto__', '__proto__', opens(puback(1))],
]

const lengths: readonly (readonly [string, string, Buffer, Outcome])[] = [
  ['MQTT-3.3.2-1', 'no topic', packet(0x30), closes()],
  ['MQTT-3.3.2-1', 'half the length of a topic', packet(0x30, 0), closes()],
  ['MQTT-3.3.2-1', 'the length of a topic alone', packet(0x30, uint16(1)), closes()],
  ['MQTT-3.3.2-1', 'a topic that is longer than the packet', packet(0x30, uint16(4), 'top'), closes()],
  [
    'MQTT-3.3.2-1',
    'a topic of 65,535 bytes in a short packet',
    packet(0x32, uint16(65_535), 'top'),
    closes(),
  ],
]

/** Answers that nobody asked for, as Mosquitto treats them. */
const unasked: readonly (readonly [string, string, Buffer, Outcome])[] = [
  ['4.3.2', 'PUBACK of nothing', puback(5), opens()],
  ['4.3.3', 'PUBREC of nothing', pubrec(5), opens(pubrel(1))],
  ['MQTT-4.3.3-2', 'PUBREL of nothing', pubrel(5), opens(pubcomp(5))],
  ['4.3.3', 'PUBCOMP of nothing', pubcomp(5), opens()],
  ['4.3.2', 'PUBACK of nothing, twice', bytes(puback(5), puback(5), pingreq), opens(pingresp)],
]

const acknowledgements: readonly (readonly [string, number])[] = [
  ['PUBACK', first.puback],
  ['PUBREC', first.pubrec],
  ['PUBREL', first.pubrel],
  ['PUBCOMP', first.pubcomp],
]

const acknowledgementLengths: readonly Case[] = acknowledgements.flatMap(([name, firstByte]) => [
  afterConnack('4.8', `${name} without a packet identifier`, packet(firstByte), closes()),
  afterConnack('4.8', `${name} of one byte`, packet(firstByte, 1), closes()),
  afterConnack('4.8', `${name} of three bytes`, packet(firstByte, uint16(1), 0), closes()),
  afterConnack('4.8', `${name} of four bytes`, packet(firstByte, uint16(1), 0, 0), closes()),
  afterConnack('MQTT-2.3.1-1', `${name} of packet identifier 0`, packet(firstByte, uint16(0)), closes()),
])

const flow: readonly (readonly [string, string, Buffer, Outcome])[] = [
  [
    'MQTT-4.3.2-2',
    'a packet identifier that was acknowledged is a new message',
    bytes(publish('p', 'x', { qos: 1, id: 4 }), publish('p', 'y', { qos: 1, id: 4 })),
    opens(puback(4), puback(4)),
  ],
]

const toCases = (rows: readonly (readonly [string, string, Buffer, Outcome])[]): Case[] =>
  rows.map(([clause, name, sent, outcome]) => afterConnack(clause, name, sent, outcome))

/** What a PUBLISH and the acknowledgements may have. */
export const publishCases: readonly Case[] = [
  ...toCases(flags.map(([clause, name, ...rest]) => [clause, `a PUBLISH at ${name}`, ...rest])),
  ...toCases(identifiers),
  ...topics.map(([clause, name, topic, outcome]) => afterConnack(clause, name, atQos1(topic), outcome)),
  ...toCases(lengths.map(([clause, name, ...rest]) => [clause, `a PUBLISH with ${name}`, ...rest])),
  ...toCases(unasked),
  ...acknowledgementLengths,
  ...toCases(flow),
  afterConnack('3.1', 'a PUBLISH at QoS 0 with DUP', publish('p', 'x', { dup: true }), opens(), 3),
  afterConnack('3.1', 'a PUBLISH at QoS 3', publish('p', 'x', { qos: 3, id: 1 }), closes(), 3),
  afterConnack('3.1', 'a PUBLISH at QoS 2', publish('p', 'x', { qos: 2, id: 1 }), opens(pubrec(1)), 3),
]
