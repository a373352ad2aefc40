import type { Random } from '../../test/support/random.js'

/** Names of sensors, and what is none; few, so that the tables stay small. */
const NAMES = [
  ...['temperature', 'humidity', 'light', 'is_raining', 'level', 'a', 'A', '_', '9', 'a b', 'é', ''],
  ...['sensor', 'sensors', 'status', 'location', 'timestamp', 'device_id', 'value', 'unit', 'latitude'],
  ...['__proto__', 'constructor', 'toString', 'length', 'x'.repeat(50), 'x'.repeat(51), '\\u0000', '\\ud800'],
] as const

/** What may stand for a value. */
const VALUES = [
  ...['21.5', '0', '-0', '1e308', '1e309', '-1e-400', '9007199254740993', '1'.repeat(400), '-1', '40'],
  ...['true', 'false', 'null', '"2026-01-01T00:00:00+08:00"', '"9999-12-31T23:59:59Z"', '"0000-00-00"'],
  ...['""', '"21.5"', '"\\ud800"', '"\\u0000"', '"é"', `"${'y'.repeat(300)}"`, '"DHT11"', '"DS18B20"'],
  ...[
    '[]',
    '{}',
    '[[1]]',
    '{"value":1}',
    '{"__proto__":{"value":1}}',
    '{"toString":1}',
    '1700000000',
    '1e15',
  ],
] as const

/** Nearly JSON, and not at all. */
const NO_VALUES = [
  ...['nan', '-nan(0x8)', 'Infinity', 'None', 'undefined', "'a'", '[1,]', '{a:1,}', 'True', '-inf'],
  ...['007', '.5', '+1', '0x10', '1,', '-', '', '[1,2', '{"a":', '"', '\\', '//', '[{"value":nan}]'],
] as const

/** Around the messages that are JSON: a byte-order mark, what C leaves behind, what a line ends with. */
const BEFORE = ['\uFEFF', ' \n', '[', '\0'] as const
const AFTER = ['\0\0', '\r\n', ',', '}', ']'] as const

const value = (random: Random): string => random.of(random.below(25) === 0 ? NO_VALUES : VALUES)

type Form = (random: Random) => string

const forms: readonly Form[] = [
  (random) => object(random, 1 + random.below(6)),
  (random) => object(random, 1 + random.below(6)),
  (random) => `{"temperature":${value(random)},"humidity":40,"timestamp":${random.below(100_000)}}`,
  (random) => `{"sensors":[${sensor(random)},${sensor(random)}],"status":${object(random, 2)}}`,
  (random) => `{"sensors":${value(random)},"location":{"latitude":${value(random)},"longitude":1}}`,
  (random) => `{"sequence":${value(random)},"timestamp":1000,"status":${value(random)}}`,
  (random) => `{"temperature":${random.below(40)},"humidity":40,"light":850}`,
  (random) => `{"sequence":7,"timestamp":1000,"status":1}`.slice(0, random.below(20) === 0 ? 20 : undefined),
  (random) => odd(random),
]

function odd(random: Random): string {
  const depth = random.below(40)
  const kind = random.below(20)
  if (kind === 0) return object(random, 400)
  if (kind < 4) return '['.repeat(depth) + value(random) + ']'.repeat(depth)
  return '{"a":'.repeat(depth) + value(random) + '}'.repeat(random.below(4) === 0 ? 3 : depth)
}

/** A report as no firmware should send it, and some as it does. */
export function oddReport(random: Random): Buffer {
  const before = random.below(20) === 0 ? random.of(BEFORE) : ''
  const after = random.below(20) === 0 ? random.of(AFTER) : ''
  const bytes = Buffer.from(before + random.of(forms)(random) + after)
  const times = bytes.length > 0 && random.below(10) === 0 ? 1 + random.below(3) : 0
  for (let time = 0; time < times; time += 1) bytes[random.below(bytes.length)] = random.below(256)
  return bytes
}

function object(random: Random, members: number): string {
  const parts = Array.from({ length: members }, () => `"${random.of(NAMES)}":${value(random)}`)
  return `{${parts.join(',')}}`
}

function sensor(random: Random): string {
  return `{"sensor_name":"${random.of(NAMES)}","value":${value(random)},"unit":"%","timestamp":${value(random)}}`
}
