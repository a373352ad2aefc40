import { connack, packet, puback, pubcomp, pubrel } from './bytes.js'
import { type Outcome, opens, type Step } from './case.js'
import { overlapName, overlapSteps, overlaps, REPEATED, repeatedFilter } from './delivery.js'

/** What Mosquitto 2.0.11 does where Damselfly does something else, and why Damselfly does. */
export interface Difference {
  /** Instead of the end of the case, or of all its steps. */
  readonly mosquitto: Outcome | readonly Step[]
  readonly why: string
}

/** One difference of several cases. */
interface Row extends Difference {
  readonly titles: readonly string[]
}

const withFlags = (name: string, right: number): string[] =>
  Array.from({ length: 16 }, (_, flags) => flags)
    .filter((flags) => flags !== right)
    .map((flags) => `[MQTT-2.2.2-2] ${name} with the flags ${flags.toString(2).padStart(4, '0')}`)

const FLAGS =
  'Wrong flags end the connection [MQTT-2.2.2-2]; Mosquitto does not look at those of this packet.'
const LENGTH =
  'Bytes behind the last field are a protocol violation [MQTT-4.8.0-1]; Mosquitto ignores them here.'
const SERVER_ONLY =
  'A packet that only a server sends is a protocol violation [MQTT-4.8.0-1]; Mosquitto ignores it.'
const ONE_READ = 'A CONNECT has at most 64 KiB here: who sends it is not known yet, and may be anyone.'

const rows: readonly Row[] = [
  { titles: withFlags('PUBACK', 0), mosquitto: opens(), why: FLAGS },
  { titles: withFlags('PUBREC', 0), mosquitto: opens(pubrel(1)), why: FLAGS },
  { titles: withFlags('PUBCOMP', 0), mosquitto: opens(), why: FLAGS },
  { titles: withFlags('PINGREQ', 0), mosquitto: opens(packet(0xd0)), why: FLAGS },
  {
    titles: ['[4.8] PUBACK of three bytes', '[4.8] PUBACK of four bytes'],
    mosquitto: opens(),
    why: LENGTH,
  },
  {
    titles: ['[4.8] PUBREC of three bytes', '[4.8] PUBREC of four bytes'],
    mosquitto: opens(pubrel(1)),
    why: LENGTH,
  },
  {
    titles: ['[4.8] PUBREL of three bytes', '[4.8] PUBREL of four bytes'],
    mosquitto: opens(pubcomp(1)),
    why: LENGTH,
  },
  {
    titles: ['[4.8] PUBCOMP of three bytes', '[4.8] PUBCOMP of four bytes'],
    mosquitto: opens(),
    why: LENGTH,
  },
  {
    titles: [1, 2, 3].map((size) => `[4.8] PINGREQ with ${size} bytes`),
    mosquitto: opens(packet(0xd0)),
    why: LENGTH,
  },
  {
    titles: ['SUBACK', 'UNSUBACK', 'PINGRESP'].map((name) => `[2.2.1] ${name} from a client`),
    mosquitto: opens(),
    why: SERVER_ONLY,
  },
  {
    titles: [
      '[MQTT-3.3.1-2] a PUBLISH at QoS 0 with DUP',
      '[MQTT-3.3.1-2] a PUBLISH at QoS 0 with DUP and RETAIN',
    ],
    mosquitto: opens(),
    why: 'DUP must be 0 at QoS 0 [MQTT-3.3.1-2], and what breaks a must ends the connection [MQTT-4.8.0-1].',
  },
  {
    titles: [
      '[MQTT-3.1.2-2] MQTT 5 is answered with 1',
      '[MQTT-3.1.2-2] MQTT 5 with properties, a will and a login is answered with 1',
    ],
    mosquitto: opens(Buffer.from('200c00000922000a13ffff210014', 'hex')),
    why: 'Mosquitto speaks MQTT 5; this server does not, and says so as [MQTT-3.1.2-2] wants it said.',
  },
  {
    titles: ['[4.7.3] a client id of 65,535 characters', '[4.7.3] a will message of 65,535 bytes'],
    mosquitto: opens(connack()),
    why: ONE_READ,
  },
  {
    titles: ['[4.7.3] a topic of 201 levels'],
    mosquitto: opens(puback(1)),
    why: 'A topic has at most 100 levels here, as what looks topics up takes no more; Mosquitto takes 201.',
  },
  ...overlaps
    .filter(({ qos, mosquittos }) => qos !== mosquittos)
    .map((overlap) => ({
      titles: [`[MQTT-3.3.5-1] ${overlapName(overlap)}`],
      mosquitto: overlapSteps(overlap, overlap.mosquittos),
      why: 'Of the filters that match, the highest QoS counts [MQTT-3.3.5-1]; Mosquitto takes that of one of them.',
    })),
  {
    titles: [`[MQTT-3.8.4-3] ${REPEATED}`],
    mosquitto: repeatedFilter({ retain: true }),
    why: 'The filter is replaced before the message leaves, so that it has the QoS of the second both times.',
  },
]

/** By the title of the case. */
export const differences: Readonly<Record<string, Difference>> = Object.fromEntries(
  rows.flatMap(({ titles, ...difference }) => titles.map((title) => [title, difference])),
)
