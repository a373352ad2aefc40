import fc from 'fast-check'
import { generate, type Packet } from 'mqtt-packet'
import { expect, it } from 'vitest'
import { createPacketMeter } from '#src/mqtt/packet-meter.js'

const publish = fc
  .record({
    topic: fc.string({ minLength: 1, maxLength: 20 }).filter((text) => !/[+#\0]/.test(text)),
    payload: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    qos: fc.constantFrom<0 | 1 | 2>(0, 1, 2),
  })
  .map(({ topic, payload, qos }) => ({
    packet: { cmd: 'publish', topic, payload, qos, dup: false, retain: false, messageId: 7 } satisfies Packet,
    counted: [3, qos, payload.length] as const,
  }))
const other = fc.constantFrom(
  { packet: { cmd: 'pingreq' } satisfies Packet, counted: [12, 0, 0] as const },
  { packet: { cmd: 'puback', messageId: 9 } satisfies Packet, counted: [4, 0, 0] as const },
  { packet: { cmd: 'disconnect' } satisfies Packet, counted: [14, 0, 0] as const },
)

it('A packet meter counts each packet once, with QoS and payload of a PUBLISH, several in one read or not', () => {
  fc.assert(
    fc.property(fc.array(fc.array(fc.oneof(publish, other), { maxLength: 5 })), (reads) => {
      const counted: unknown[] = []
      const meter = createPacketMeter((...count) => counted.push(count))
      for (const packets of reads) meter.take(Buffer.concat(packets.map(({ packet }) => generate(packet))))
      expect(counted).toEqual(reads.flat().map((one) => one.counted))
    }),
  )
})

it('A packet meter counts each packet once, wherever the bytes are cut', () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(publish, other)),
      fc.infiniteStream(fc.integer({ min: 1, max: 9 })),
      (sent, cuts) => {
        const bytes = Buffer.concat(sent.map(({ packet }) => generate(packet)))
        const types: number[] = []
        const meter = createPacketMeter((type) => types.push(type))
        for (let at = 0; at < bytes.length; ) {
          const next = at + Number(cuts.next().value)
          meter.take(bytes.subarray(at, next))
          at = next
        }
        expect(types).toEqual(sent.map(({ counted: [type] }) => type))
      },
    ),
  )
})
