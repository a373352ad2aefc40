import {
  bytes,
  connack,
  connect,
  puback,
  publish,
  string,
  suback,
  subscribe,
  unsuback,
  unsubscribe,
} from './bytes.js'
import { afterConnack, atConnect, type Case, closes, type Outcome } from './case.js'

const ILL_FORMED = 'MQTT-1.5.3-1'
const NUL = 'MQTT-1.5.3-2'
const MAY_CLOSE = '1.5.3'

/** Bytes that no string of a packet may have. */
const refused: readonly (readonly [clause: string, what: string, hex: string])[] = [
  [NUL, 'U+0000', '00'],
  [NUL, 'U+0000 at the end', '6100'],
  [NUL, 'U+0000 before other characters', '0061'],
  [ILL_FORMED, 'a continuation byte alone', '80'],
  [ILL_FORMED, 'the last continuation byte alone', 'bf'],
  [ILL_FORMED, 'a continuation byte after ASCII', '61a9'],
  [ILL_FORMED, 'U+0000 in two bytes', 'c080'],
  [ILL_FORMED, 'a slash in two bytes', 'c0af'],
  [ILL_FORMED, 'U+007F in two bytes', 'c1bf'],
  [ILL_FORMED, 'a slash in three bytes', 'e080af'],
  [ILL_FORMED, 'U+07FF in three bytes', 'e09fbf'],
  [ILL_FORMED, 'a slash in four bytes', 'f08080af'],
  [ILL_FORMED, 'U+FFFF in four bytes', 'f08fbfbf'],
  [ILL_FORMED, 'U+D800', 'eda080'],
  [ILL_FORMED, 'U+DBFF', 'edafbf'],
  [ILL_FORMED, 'U+DC00', 'edb080'],
  [ILL_FORMED, 'U+DFFF', 'edbfbf'],
  [ILL_FORMED, 'a character as two surrogates', 'eda0bdedb880'],
  [ILL_FORMED, 'U+110000', 'f4908080'],
  [ILL_FORMED, 'U+140000', 'f5808080'],
  [ILL_FORMED, 'five bytes', 'f888808080'],
  [ILL_FORMED, 'six bytes', 'fc8480808080'],
  [ILL_FORMED, 'the byte FE', 'fe'],
  [ILL_FORMED, 'the byte FF', 'ff'],
  [ILL_FORMED, 'one byte of two', 'c3'],
  [ILL_FORMED, 'two bytes of three', 'e282'],
  [ILL_FORMED, 'three bytes of four', 'f09f98'],
  [ILL_FORMED, 'ASCII for a continuation byte', 'c328'],
  [ILL_FORMED, 'ASCII for the second of three bytes', 'e228a1'],
  [ILL_FORMED, 'ASCII for the last of four bytes', 'f09f9828'],
  [MAY_CLOSE, 'U+0001', '01'],
  [MAY_CLOSE, 'a line feed', '610a62'],
  [MAY_CLOSE, 'U+001F', '1f'],
  [MAY_CLOSE, 'U+007F', '7f'],
  [MAY_CLOSE, 'U+0080', 'c280'],
  [MAY_CLOSE, 'U+009F', 'c29f'],
  [MAY_CLOSE, 'U+FDD0', 'efb790'],
  [MAY_CLOSE, 'U+FDEF', 'efb7af'],
  [MAY_CLOSE, 'U+FFFE', 'efbfbe'],
  [MAY_CLOSE, 'U+FFFF', 'efbfbf'],
  [MAY_CLOSE, 'U+1FFFE', 'f09fbfbe'],
  [MAY_CLOSE, 'U+10FFFF', 'f48fbfbf'],
]

/** Characters at the edges of those. */
const taken: readonly (readonly [what: string, hex: string])[] = [
  ['a space', '20'],
  ['U+007E', '7e'],
  ['U+00A0', 'c2a0'],
  ['two bytes', 'c3a9'],
  ['U+07FF', 'dfbf'],
  ['U+0800', 'e0a080'],
  ['three bytes', 'e282ac'],
  ['U+D7FF', 'ed9fbf'],
  ['U+E000', 'ee8080'],
  ['U+FDCF', 'efb78f'],
  ['U+FDF0', 'efb7b0'],
  ['U+FFFD', 'efbfbd'],
  ['U+10000', 'f0908080'],
  ['four bytes', 'f09f9880'],
  ['U+10FFFD', 'f48fbfbd'],
]

/** Every place in a packet that has a string. */
const places: readonly {
  readonly name: string
  readonly send: (text: Buffer) => Buffer
  readonly answer: Buffer
  readonly isConnect: boolean
}[] = [
  {
    name: 'a client id [MQTT-3.1.3-4]',
    send: (text) => connect({ clientId: text }),
    answer: connack(),
    isConnect: true,
  },
  {
    name: 'a will topic [MQTT-3.1.3-10]',
    send: (text) => connect({ flags: 0x06, more: [string(text), string('will')] }),
    answer: connack(),
    isConnect: true,
  },
  {
    name: 'a user name [MQTT-3.1.3-11]',
    send: (text) => connect({ flags: 0x82, more: [string(text)] }),
    answer: connack(),
    isConnect: true,
  },
  {
    name: 'a topic [MQTT-3.3.2-1]',
    send: (text) => publish(bytes('t/', text), 'x', { qos: 1, id: 1 }),
    answer: puback(1),
    isConnect: false,
  },
  {
    name: 'a topic filter of SUBSCRIBE [MQTT-3.8.3-1]',
    send: (text) => subscribe(1, [bytes('t/', text), 0]),
    answer: suback(1, 0),
    isConnect: false,
  },
  {
    name: 'a topic filter of UNSUBSCRIBE [MQTT-3.10.3-1]',
    send: (text) => unsubscribe(1, bytes('t/', text)),
    answer: unsuback(1),
    isConnect: false,
  },
]

const inPlace = (
  { send, isConnect }: (typeof places)[number],
  clause: string,
  name: string,
  hex: string,
  outcome: Outcome,
): Case => (isConnect ? atConnect : afterConnack)(clause, name, send(Buffer.from(hex, 'hex')), outcome)

/** Strings in every place that has one. */
export const textCases: readonly Case[] = places.flatMap((place) => [
  ...refused.map(([clause, what, hex]) => inPlace(place, clause, `${what} in ${place.name}`, hex, closes())),
  ...taken.map(([what, hex]) =>
    inPlace(place, ILL_FORMED, `${what} in ${place.name} is taken`, hex, {
      packets: [place.answer],
      end: 'open',
    }),
  ),
])
