import { generate, type Packet } from 'mqtt-packet'
import { describe, expect, it } from 'vitest'
import { faults, type PacketFault } from '#src/mqtt/packet-fault.js'
import { createPacketIntake } from '#src/mqtt/packet-intake.js'

/** The largest remaining length (MQTT 3.1.1, table 2.4), after one byte of type and four of length. */
const LARGEST_PACKET = 5 + 268_435_455

const connect = (protocolVersion: 3 | 4 = 4): Buffer =>
  generate({
    cmd: 'connect',
    protocolId: protocolVersion === 4 ? 'MQTT' : 'MQIsdp',
    protocolVersion,
    clean: true,
    clientId: 'c',
    keepalive: 60,
  })

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

interface Taken {
  readonly given: Buffer
  readonly fault: PacketFault | undefined
  /** The chunks after which there was nothing more to take. */
  readonly chunks: number
}

/** What a connection whose CONNECT was `first` gives of these chunks. */
function takeAll(chunks: readonly Uint8Array[], maxPacketBytes = 1000, first = connect()): Taken {
  const intake = createPacketIntake({ maxPacketBytes, maxConnectBytes: 100 })
  const given: Buffer[] = []
  if (first.length > 0) intake.take(Buffer.from(first))
  for (const [index, chunk] of chunks.entries()) {
    const { packets, fault, isEnd } = intake.take(Buffer.from(chunk))
    given.push(packets)
    if (fault !== undefined || isEnd) return { given: Buffer.concat(given), fault, chunks: index + 1 }
  }
  return { given: Buffer.concat(given), fault: undefined, chunks: chunks.length }
}

const byteByByte = (bytes: Uint8Array): Uint8Array[] => [...bytes].map((byte) => Uint8Array.of(byte))

describe('The intake of packets', () => {
  const packets = [
    generate({ cmd: 'pingreq' }),
    publish('x'.repeat(20)),
    generate({ cmd: 'puback', messageId: 1 }),
    publish('y'.repeat(130)), // two length bytes
    generate({ cmd: 'disconnect' }),
  ]
  const stream = Buffer.concat(packets)
  const largest = Math.max(...packets.map((packet) => packet.length))

  it('gives the packets of every split of a stream into two and three chunks', () => {
    for (let first = 0; first <= stream.length; first += 1) {
      for (let second = first; second <= stream.length; second += 1) {
        const chunks = [stream.subarray(0, first), stream.subarray(first, second), stream.subarray(second)]
        const { given, fault } = takeAll(chunks, largest)
        expect(fault, `${first}, ${second}`).toBe(undefined)
        expect(given.equals(stream), `${first}, ${second}`).toBe(true)
        expect(takeAll(chunks, largest - 1).fault, `${first}, ${second}`).toBe(faults.packetTooLarge)
      }
    }
  })

  it('gives whole packets only', () => {
    const intake = createPacketIntake({ maxPacketBytes: 1000, maxConnectBytes: 100 })
    intake.take(connect())
    const [first = stream, second = stream] = [publish('one'), publish('two')]
    const two = Buffer.concat([first, second])
    expect(intake.take(two.subarray(0, first.length + 3)).packets).toEqual(first)
    expect(intake.take(two.subarray(first.length + 3, -1)).packets).toHaveLength(0)
    expect(intake.take(Buffer.concat([two.subarray(-1), first])).packets).toEqual(
      Buffer.concat([second, first]),
    )
  })

  it('copies nothing of a chunk that has whole packets', () => {
    const intake = createPacketIntake({ maxPacketBytes: 1000, maxConnectBytes: 100 })
    intake.take(connect())
    const chunk = Buffer.concat([publish('one'), publish('two')])
    expect(intake.take(chunk).packets.buffer).toBe(chunk.buffer)
  })

  it('gives the packets before one that is faulty, and nothing behind it', () => {
    const pubackOf0 = Buffer.from([0x40, 2, 0, 0])
    const bytes = Buffer.concat([publish('one'), pubackOf0, publish('two')])
    for (const chunks of [[bytes], byteByByte(bytes)]) {
      const { given, fault } = takeAll(chunks)
      expect(fault).toBe(faults.packetIdentifierZero)
      expect(given).toEqual(publish('one'))
    }
  })

  it('[MQTT-3.14.4-2] gives nothing behind a DISCONNECT', () => {
    const bytes = Buffer.concat([publish('one'), generate({ cmd: 'disconnect' }), publish('two')])
    for (const chunks of [[bytes], byteByByte(bytes)]) {
      const { given, fault } = takeAll(chunks)
      expect(fault).toBe(undefined)
      expect(given.equals(bytes.subarray(0, -publish('two').length))).toBe(true)
    }
  })

  it('gives a CONNECT alone, and keeps what follows for later', () => {
    const intake = createPacketIntake({ maxPacketBytes: 1000, maxConnectBytes: 100 })
    const bytes = Buffer.concat([connect(), publish('one')])
    expect(intake.take(bytes.subarray(0, 5))).toMatchObject({ packets: Buffer.alloc(0), rest: undefined })
    const { packets: given, rest } = intake.take(bytes.subarray(5))
    expect(given).toEqual(connect())
    expect(rest).toEqual(publish('one'))
    expect(intake.take(publish('one')).packets).toEqual(publish('one'))
  })

  it('takes no CONNECT that is larger than one may be, whatever other packets may be', () => {
    const large = generate({
      ...{ cmd: 'connect', clientId: 'c'.repeat(87) },
      protocolId: 'MQTT',
      clean: true,
    })
    expect(large).toHaveLength(101)
    expect(takeAll([large], 1000, Buffer.alloc(0)).fault).toBe(faults.connectTooLarge)
    expect(takeAll([large.subarray(0, 2)], 1000, Buffer.alloc(0)).fault).toBe(faults.connectTooLarge)
  })

  it('sees a fault of the header before the body has come', () => {
    const before = packets.slice(0, 3).reduce((sum, packet) => sum + packet.length, 0)
    expect(takeAll(byteByByte(stream), largest - 1)).toMatchObject({
      fault: faults.packetTooLarge,
      chunks: before + 3,
    })
    expect(takeAll(byteByByte(Buffer.from([0x36, 5])))).toMatchObject({ fault: faults.qos, chunks: 1 })
    expect(takeAll(byteByByte(Buffer.from([0x40, 3, 0])))).toMatchObject({
      fault: faults.wrongLength,
      chunks: 2,
    })
  })

  it.each([
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
      expect(takeAll([bytes], size + length).fault).toBe(undefined)
      expect(takeAll([bytes], size + length - 1).fault).toBe(faults.packetTooLarge)
      expect(takeAll(byteByByte(bytes), size + length - 1).chunks).toBe(size)
    },
  )

  it.each<[string, readonly number[], PacketFault | undefined]>([
    ['four continued bytes announce a fifth', [0x30, 0xff, 0xff, 0xff, 0xff], faults.lengthTooLong],
    ['even when they add up to nothing', [0x30, 0x80, 0x80, 0x80, 0x80], faults.lengthTooLong],
    ['three continued bytes may go on', [0x30, 0xff, 0xff, 0xff], undefined],
    ['and end with the fourth', [0x30, 0xff, 0xff, 0xff, 0x7f], undefined],
    ['a length in more bytes than it needs is a length', [0xc0, 0x80, 0x00, 0xc0, 0x00], undefined],
  ])('MQTT 3.1.1, 2.2.3: %s', (_what, bytes, fault) => {
    expect(takeAll([Uint8Array.from(bytes)], LARGEST_PACKET).fault).toBe(fault)
    expect(takeAll(byteByByte(Uint8Array.from(bytes)), LARGEST_PACKET).fault).toBe(fault)
  })

  it('gathers a packet byte by byte in memory that it has announced, at a cost that is linear', () => {
    const payload = 'x'.repeat(400_000)
    const { given, fault } = takeAll(byteByByte(publish(payload)), 1_000_000)
    expect(fault).toBe(undefined)
    expect(given.equals(publish(payload))).toBe(true)
    expect(given.buffer.byteLength).toBeLessThanOrEqual(2 * given.length)
  })

  it('takes no bytes for nothing', () => {
    expect(takeAll([new Uint8Array(), stream.subarray(0, 1), new Uint8Array()]).fault).toBe(undefined)
  })

  it.each<[string, Packet]>([
    ['PUBREL', { cmd: 'pubrel', messageId: 9 }],
    ['SUBSCRIBE', { cmd: 'subscribe', messageId: 9, subscriptions: [{ topic: 'a', qos: 1 }] }],
    ['UNSUBSCRIBE', { cmd: 'unsubscribe', messageId: 9, unsubscriptions: ['a'] }],
  ])('clears the flags that MQTT 3.1 lets a %s have, which a retransmission has', (_name, packet) => {
    const plain = generate(packet)
    const repeated = Buffer.from(plain)
    repeated[0] = (plain[0] ?? 0) | 0x08
    expect(takeAll([repeated], 1000, connect(3))).toMatchObject({ given: plain, fault: undefined })
    expect(takeAll([repeated], 1000, connect(4)).fault?.fault).toContain('flags')
  })
})
