import { expect, test } from 'vitest'
import { encodePubacks, encodePublish } from '#src/mqtt/encode-packet.js'
import { createPacketCutter } from '#src/mqtt/packet-cutter.js'

const publish = (payloadBytes: number): Buffer =>
  encodePublish({
    ...{ topic: 'a/b', payload: Buffer.alloc(payloadBytes, 'x'), qos: 1, packetIdentifier: 7 },
    ...{ isRepeated: false, isRetained: false },
  })

const PINGRESP = Buffer.from([0xd0, 0])

/** With a remaining length of each size that there is. */
const packets = [
  PINGRESP,
  encodePubacks([1]),
  publish(0),
  PINGRESP,
  publish(200),
  publish(20_000),
  publish(2_097_152),
]

test('packets that come together are cut apart', () => {
  const parts = createPacketCutter().cut(Buffer.concat([...packets, PINGRESP]))
  expect(parts.map((part) => part.length)).toEqual([...packets, PINGRESP].map((packet) => packet.length))
  expect(parts.every((part, index) => part.equals([...packets, PINGRESP][index] ?? PINGRESP))).toBe(true)
})

test.each([1, 2, 3, 5, 1000, 20_007])('of packets in pieces of %i bytes no part has bytes of two', (size) => {
  const bytes = Buffer.concat(packets.slice(0, -1))
  const cutter = createPacketCutter()
  const parts: Buffer[] = []
  for (let at = 0; at < bytes.length; at += size) parts.push(...cutter.cut(bytes.subarray(at, at + size)))
  expect(Buffer.concat(parts).equals(bytes)).toBe(true)
  expect(endsOf(parts)).toEqual(expect.arrayContaining(endsOf(packets.slice(0, -1))))
})

/** Where each ends when they follow one another. */
function endsOf(parts: readonly Buffer[]): number[] {
  let end = 0
  return parts.map((part) => {
    end += part.length
    return end
  })
}
