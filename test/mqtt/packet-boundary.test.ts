import { generate } from 'mqtt-packet'
import { describe, expect, it } from 'vitest'
import { type BoundaryFault, createPacketBoundary } from '#src/mqtt/packet-boundary.js'

/** The largest remaining length (MQTT 3.1.1, table 2.4), after one byte of type and four of length. */
const LARGEST_PACKET = 5 + 268_435_455

const publish = (payload: string): Buffer =>
  generate({ cmd: 'publish', topic: 'a/b', payload, qos: 1, messageId: 7, retain: false, dup: false })

/** A fixed header that announces `remainingLength`. */
function header(remainingLength: number): number[] {
  const bytes = [0x30]
  let left = remainingLength
  do {
    const more = left >= 128
    bytes.push((left % 128) | (more ? 128 : 0))
    left = Math.floor(left / 128)
  } while (left > 0)
  return bytes
}

/** The fault of a stream of bytes read in these chunks, and how many chunks it took to see it. */
function inspectAll(maxPacketBytes: number, chunks: readonly Uint8Array[]) {
  const boundary = createPacketBoundary(maxPacketBytes)
  for (const [index, chunk] of chunks.entries()) {
    const fault = boundary.inspect(chunk)
    if (fault !== undefined) return { fault, chunks: index + 1 }
  }
  return { fault: undefined, chunks: chunks.length }
}

const byteByByte = (bytes: Uint8Array): Uint8Array[] => [...bytes].map((byte) => Uint8Array.of(byte))

describe('The packet boundary', () => {
  const packets = [
    generate({ cmd: 'pingreq' }),
    publish('x'.repeat(20)),
    generate({ cmd: 'puback', messageId: 1 }),
    publish('y'.repeat(130)), // two length bytes
    generate({ cmd: 'disconnect' }),
  ]
  const stream = Buffer.concat(packets)
  const largest = Math.max(...packets.map((packet) => packet.length))

  it('follows the packets through every split of a stream into two and three chunks', () => {
    for (let first = 0; first <= stream.length; first += 1) {
      for (let second = first; second <= stream.length; second += 1) {
        const chunks = [stream.subarray(0, first), stream.subarray(first, second), stream.subarray(second)]
        expect(inspectAll(largest, chunks).fault, `${first}, ${second}`).toBe(undefined)
        expect(inspectAll(largest - 1, chunks).fault, `${first}, ${second}`).toBe('packet too large')
      }
    }
  })

  it('follows them byte by byte, and sees the fault at the last byte of the header', () => {
    expect(inspectAll(largest, byteByByte(stream)).fault).toBe(undefined)
    const before = packets.slice(0, 3).reduce((sum, packet) => sum + packet.length, 0)
    expect(inspectAll(largest - 1, byteByByte(stream))).toEqual({
      fault: 'packet too large',
      chunks: before + 3,
    })
  })

  it.each([
    [0, 2],
    [127, 2],
    [128, 3],
    [16_383, 3],
    [16_384, 4],
    [2_097_151, 4],
    [2_097_152, 5],
    [268_435_455, 5],
  ])(
    'takes a remaining length of %i in %i header bytes up to the maximum and not one more',
    (length, size) => {
      const bytes = Uint8Array.from(header(length))
      expect(bytes.length).toBe(size)
      expect(inspectAll(size + length, [bytes]).fault).toBe(undefined)
      expect(inspectAll(size + length - 1, [bytes]).fault).toBe('packet too large')
      expect(inspectAll(size + length - 1, byteByByte(bytes)).chunks).toBe(size)
    },
  )

  it('finds the next header after the announced number of bytes, whatever these are', () => {
    const body = new Uint8Array(300).fill(0xff)
    const tooLarge = header(1000)
    const bytes = [...header(300), ...body, ...header(0), ...tooLarge]
    expect(inspectAll(500, byteByByte(Uint8Array.from(bytes)))).toEqual({
      fault: 'packet too large',
      chunks: bytes.length,
    })
    expect(inspectAll(1003, [Uint8Array.from(bytes)]).fault).toBe(undefined)
  })

  it.each<[string, readonly number[], BoundaryFault | undefined]>([
    ['four continued bytes announce a fifth', [0x30, 0xff, 0xff, 0xff, 0xff], 'malformed remaining length'],
    ['even when they add up to nothing', [0x30, 0x80, 0x80, 0x80, 0x80], 'malformed remaining length'],
    ['three continued bytes may go on', [0x30, 0xff, 0xff, 0xff], undefined],
    ['and end with the fourth', [0x30, 0xff, 0xff, 0xff, 0x7f], undefined],
    ['a length in more bytes than it needs is a length', [0x30, 0x80, 0x00, 0xc0, 0x00], undefined],
  ])('MQTT 3.1.1, 2.2.3: %s', (_what, bytes, fault) => {
    expect(inspectAll(LARGEST_PACKET, [Uint8Array.from(bytes)]).fault).toBe(fault)
    expect(inspectAll(LARGEST_PACKET, byteByByte(Uint8Array.from(bytes))).fault).toBe(fault)
  })

  it('takes no bytes for nothing', () => {
    expect(inspectAll(64, [new Uint8Array(), stream.subarray(0, 1), new Uint8Array()]).fault).toBe(undefined)
  })
})
