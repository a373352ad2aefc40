import fc from 'fast-check'
import { generate, type Packet, parser } from 'mqtt-packet'
import { describe, expect, it } from 'vitest'
import { type PacketTaker, readPackets } from '#src/mqtt/read-packets.js'
import { createTopicReader } from '#src/mqtt/topic-names.js'

/** Few names, so that they come again, and some that differ in a character or in how many bytes one takes. */
const topic = fc.constantFrom(
  ...['a', 'b', 'ab', 'ba', 'aa/b', 'ab/a', 'ä', 'äa', 'aä', '\u00c3\u00a4', '€', '𝕏', 'x'.repeat(128)],
  ...['x'.repeat(129), `y${'x'.repeat(127)}`, 'devices/1/data', 'devices/2/data', '__proto__', '/', '//'],
)
const messageId = fc.integer({ min: 1, max: 65_535 })
const publish = fc
  .record({
    ...{ topic, messageId, qos: fc.constantFrom<0 | 1 | 2>(0, 1, 2) },
    ...{ payload: fc.uint8Array({ maxLength: 300 }), retain: fc.boolean(), dup: fc.boolean() },
  })
  .map((one) => ({
    ...one,
    ...{ cmd: 'publish' as const, payload: Buffer.from(one.payload), dup: one.dup && one.qos > 0 },
  }))
const answer = fc.record({
  cmd: fc.constantFrom('puback' as const, 'pubrec' as const, 'pubrel' as const, 'pubcomp' as const),
  messageId,
})
const subscribe = fc.record({
  cmd: fc.constant('subscribe' as const),
  messageId,
  subscriptions: fc.array(fc.record({ topic, qos: fc.constantFrom<0 | 1 | 2>(0, 1, 2) }), {
    minLength: 1,
    maxLength: 5,
  }),
})
const packets = fc.array(
  fc.oneof<fc.Arbitrary<Packet>[]>(publish, answer, subscribe, fc.constant({ cmd: 'pingreq' as const })),
  { maxLength: 20 },
)

/** What is seen of packets, in words. */
function seen(list: readonly Packet[]): string[] {
  return list.map((packet) => {
    const { cmd, messageId: id } = packet
    if (cmd === 'publish' && packet.qos < 2) {
      const { topic: name, payload, qos, retain } = packet
      return `publish ${name} ${Buffer.from(payload).toString('hex')} ${qos} ${retain} ${id}`
    }
    if (cmd === 'puback' || cmd === 'pubrec' || cmd === 'pubcomp') return `${cmd} ${id}`
    return `other ${generate(packet).toString('hex')}`
  })
}

function taker(into: string[], isOpen: () => boolean = () => true): PacketTaker {
  return {
    isOpen,
    publish: ({ topic: name, payload, qos, isRetained, packetIdentifier }) =>
      into.push(`publish ${name} ${payload.toString('hex')} ${qos} ${isRetained} ${packetIdentifier}`),
    acknowledge: (kind, id) => into.push(`${kind} ${id}`),
    other: (bytes) => into.push(`other ${bytes.toString('hex')}`),
  }
}

describe('Whole packets', () => {
  it('are read as mqtt-packet reads them, in their order', () => {
    fc.assert(
      fc.property(packets, (list) => {
        const bytes = Buffer.concat(list.map((packet) => generate(packet)))
        const parsed: Packet[] = []
        const parse = parser({ protocolVersion: 4 })
        parse.on('packet', (packet: Packet) => parsed.push(packet))
        parse.parse(Buffer.from(bytes))
        const ours: string[] = []
        readPackets(bytes, createTopicReader(), taker(ours))
        expect(ours).toEqual(seen(parsed))
      }),
      { numRuns: 1000 },
    )
  })

  it('are read no further than they are taken', () => {
    const bytes = Buffer.concat([1, 2, 3].map((id) => generate({ cmd: 'puback', messageId: id })))
    const taken: string[] = []
    readPackets(
      bytes,
      createTopicReader(),
      taker(taken, () => taken.length < 2),
    )
    expect(taken).toEqual(['puback 1', 'puback 2'])
  })

  it('have a remaining length in as many bytes as they like (MQTT 3.1.1, 2.2.3)', () => {
    const taken: string[] = []
    readPackets(
      Buffer.from([0x30, 0x83, 0x80, 0, 0, 1, 0x61, 0xc0, 0x80, 0]),
      createTopicReader(),
      taker(taken),
    )
    expect(taken).toEqual(['publish a  0 false undefined', 'other c08000'])
  })
})
