import type { Random } from '../../test/support/random.js'

/** One way to spoil a packet; `other` is another valid packet of the same connection. */
type Mutation = (random: Random, bytes: Buffer, other: Buffer) => Buffer

/** Values at which something begins or ends: types, flags, lengths, controls, surrogates. */
const TELLING_BYTES = [0x00, 0x01, 0x7f, 0x80, 0xc0, 0xed, 0xf0, 0xff] as const

const copyWith = (bytes: Buffer, change: (copy: Buffer) => void): Buffer => {
  const copy = Buffer.from(bytes)
  change(copy)
  return copy
}

const mutations: readonly Mutation[] = [
  function flipBit(random, bytes) {
    const at = random.below(bytes.length)
    return copyWith(bytes, (copy) => copy.writeUInt8(copy.readUInt8(at) ^ (1 << random.below(8)), at))
  },
  function setByte(random, bytes) {
    return copyWith(bytes, (copy) => copy.writeUInt8(random.of(TELLING_BYTES), random.below(bytes.length)))
  },
  function changeFirstByte(random, bytes) {
    return copyWith(bytes, (copy) => copy.writeUInt8(random.below(256), 0))
  },
  function changeLength(random, bytes) {
    return copyWith(bytes, (copy) => copy.writeUInt8(random.below(256), Math.min(1, bytes.length - 1)))
  },
  function longLength(random, bytes) {
    const length = Buffer.from([0x80 + random.below(128), 0xff, 0xff, random.below(256)])
    return Buffer.concat([bytes.subarray(0, 1), length, bytes.subarray(2)])
  },
  function cutOff(random, bytes) {
    return bytes.subarray(0, random.below(bytes.length))
  },
  function leaveOut(random, bytes) {
    const at = random.below(bytes.length)
    return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + random.below(4))])
  },
  function putIn(random, bytes) {
    const at = random.below(bytes.length)
    const more = Buffer.from(Array.from({ length: 1 + random.below(8) }, () => random.below(256)))
    return Buffer.concat([bytes.subarray(0, at), more, bytes.subarray(at)])
  },
  function twice(_random, bytes) {
    return Buffer.concat([bytes, bytes])
  },
  function exchange(_random, _bytes, other) {
    return other
  },
  function spliceWith(random, bytes, other) {
    return Buffer.concat([
      bytes.subarray(0, random.below(bytes.length)),
      other.subarray(random.below(other.length)),
    ])
  },
  function onlyNoise(random) {
    return Buffer.from(Array.from({ length: 1 + random.below(64) }, () => random.below(256)))
  },
]

/** Spoils a packet in one way, or in several. It may still be one that a client may send. */
export function mutate(random: Random, bytes: Buffer, other: Buffer): Buffer {
  let spoiled = bytes
  const times = random.below(4) === 0 ? 3 : 1
  for (let time = 0; time < times && spoiled.length > 0; time += 1) {
    spoiled = random.of(mutations)(random, spoiled, other)
  }
  return spoiled
}

/**
 * Has one packet in `odds` sent twice, later, earlier, or not at all: each is as a client may send it, and their
 * order need not be. The CONNECT, too, is moved now and then.
 */
export function disorder(random: Random, odds: number, packets: readonly Buffer[]): readonly Buffer[] {
  const first = random.below(50) === 0 ? 0 : 1
  const spoiled = [...packets]
  for (let at = first; at < spoiled.length; at += 1) {
    if (random.below(odds) > 0) continue
    const [packet] = spoiled.splice(at, 1) as [Buffer]
    const times = random.below(4) === 0 ? 0 : 1 + random.below(2)
    for (let time = 0; time < times; time += 1) {
      spoiled.splice(first + random.below(spoiled.length - first + 1), 0, packet)
    }
  }
  return spoiled
}
