import { type Packet, parser } from 'mqtt-packet'
import { describe, expect, it } from 'vitest'
import { encodePubacks, encodePublish, encodePubrel, encodeSuback } from '#src/mqtt/encode-packet.js'

function parse(bytes: Buffer): Packet[] {
  const packets: Packet[] = []
  const reader = parser({ protocolVersion: 4 })
  reader.on('packet', (packet: Packet) => packets.push(packet))
  expect(reader.parse(bytes)).toBe(0) // nothing is left over
  return packets
}

describe('A PUBLISH', () => {
  // Where the remaining length grows by a byte (MQTT 3.1.1, table 2.4).
  it.each([0, 1, 117, 118, 16_373, 16_374, 2_097_141, 2_097_142])('with a payload of %i bytes', (length) => {
    const payload = Buffer.alloc(length, 'x')
    const fields = { topic: 'top/é', isRepeated: false, isRetained: true } as const
    const [packet] = parse(encodePublish({ ...fields, payload, qos: 1, packetIdentifier: 65_535 }))
    if (packet?.cmd !== 'publish') throw new Error('no PUBLISH')
    const { topic, qos, messageId, retain, dup } = packet
    expect({ topic, qos, messageId, retain, dup }).toEqual({
      ...{ topic: 'top/é', qos: 1, messageId: 65_535, retain: true, dup: false },
    })
    expect(payload.equals(Buffer.from(packet.payload))).toBe(true)
  })

  it.each([0, 1, 2] as const)('of QoS %i has its flags, and an identifier if it is to have one', (qos) => {
    const fields = { topic: 't', payload: 'text ü', isRetained: false, packetIdentifier: 7 }
    const [packet] = parse(encodePublish({ ...fields, qos, isRepeated: qos > 0 }))
    expect(packet).toMatchObject({ qos, dup: qos > 0, retain: false, payload: Buffer.from('text ü') })
    expect(packet?.messageId).toBe(qos === 0 ? undefined : 7)
  })
})

it('[MQTT-3.6.1-1] a PUBREL has its reserved bits', () => {
  expect(parse(encodePubrel(0x1234))).toMatchObject([{ cmd: 'pubrel', messageId: 0x1234, qos: 1 }])
  expect(encodePubrel(1)[0]).toBe(0x62)
})

it('PUBACKs stand one behind the other', () => {
  expect(parse(encodePubacks([1, 0x1234, 65_535]))).toMatchObject(
    [1, 0x1234, 65_535].map((messageId) => ({ cmd: 'puback', messageId })),
  )
})

// Where the remaining length grows by a byte.
it.each([1, 2, 125, 126, 20_000])('[MQTT-3.9.3-1] a SUBACK has %i return codes in their order', (count) => {
  const codes = Array.from({ length: count }, (_, index) => [0, 1, 2, 0x80][index % 4] ?? 0)
  expect(parse(encodeSuback(0x1234, codes))).toMatchObject([
    { cmd: 'suback', messageId: 0x1234, granted: codes },
  ])
})
