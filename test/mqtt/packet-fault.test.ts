import { describe, expect, it } from 'vitest'
import { faults, type PacketFault } from '#src/mqtt/packet-fault.js'
import { createPacketIntake } from '#src/mqtt/packet-intake.js'
import * as encode from '../conformance/bytes.js'

const { connect, first, packet, publish, string, subscribe, uint16, unsubscribe } = encode

/** Why the guard ends a connection that sends this, after a CONNECT unless it is one. */
function faultOf(bytes: Buffer, level: 3 | 4 = 4): PacketFault | undefined {
  const intake = createPacketIntake({ maxPacketBytes: 1000, maxConnectBytes: 500 })
  if (bytes[0] !== first.connect) intake.take(connect({ level }))
  return intake.take(bytes).fault
}

const text = (hex: string): Buffer => publish(Buffer.from(hex, 'hex'), 'x')
const flags = (value: number, ...more: readonly encode.Part[]): Buffer => connect({ flags: value, more })

describe('The fault of a packet', () => {
  it.each<[keyof typeof faults, Buffer]>([
    ['lengthTooLong', Buffer.of(0x30, 0x80, 0x80, 0x80, 0x80)],
    ['packetTooLarge', publish('a', 'x'.repeat(1000))],
    ['connectTooLarge', connect({ clientId: 'x'.repeat(500) })],
    ['reservedType', packet(0xf0)],
    ['serverOnly', packet(first.pingresp)],
    ['reservedFlags', packet(first.pingreq | 1)],
    ['pubrelFlags', packet(0x60, uint16(1))],
    ['subscribeFlags', packet(0x80, uint16(1), string('a'), 0)],
    ['unsubscribeFlags', packet(0xa0, uint16(1), string('a'))],
    ['disconnectFlags', packet(first.disconnect | 1)],
    ['wrongLength', packet(first.puback, uint16(1), 0)],
    ['tooShort', packet(first.publish, uint16(9), 'a')],
    ['trailingBytes', flags(2, 0)],
    ['packetIdentifierZero', publish('a', 'x', { qos: 1, id: 0 })],
    ['illFormedUtf8', text('c0af')],
    ['nul', text('6100')],
    ['controlCharacter', text('0a')],
    ['controlCharacter', text('c280')],
    ['nonCharacter', text('efbfbe')],
    ['secondConnect', packet(0x11)],
    ['protocolName', connect({ name: 'MQTX' })],
    ['protocolLevel', connect({ level: 5 })],
    ['connectFlags', flags(3)],
    ['willQosWithoutWill', flags(0x0a)],
    ['willRetainWithoutWill', flags(0x22)],
    ['willQos', flags(0x1e, string('w'), string('x'))],
    ['passwordWithoutUser', flags(0x42, string('p'))],
    ['noClientId', connect({ clientId: '', flags: 0 })],
    ['noWillTopic', flags(6, string(''), string('x'))],
    ['willTopicWildcard', flags(6, string('w/+'), string('x'))],
    ['qos', publish('a', 'x', { qos: 3, id: 1 })],
    ['dupAtQos0', publish('a', 'x', { dup: true })],
    ['noTopic', publish('', 'x')],
    ['topicWildcard', publish('a/#', 'x')],
    ['nothingToSubscribe', subscribe(1)],
    ['nothingToUnsubscribe', unsubscribe(1)],
    ['requestedQos', subscribe(1, ['a', 3])],
    ['noFilter', subscribe(1, ['', 0])],
    ['multiLevelWildcard', subscribe(1, ['a#', 0])],
    ['singleLevelWildcard', unsubscribe(1, 'a+')],
  ])('is %s', (name, bytes) => {
    expect(faultOf(bytes)).toBe(faults[name])
  })

  it('is noConnect for what comes before a CONNECT', () => {
    const intake = createPacketIntake({ maxPacketBytes: 1000, maxConnectBytes: 500 })
    expect(intake.take(packet(first.pingreq)).fault).toBe(faults.noConnect)
  })

  it('is none for what MQTT 3.1 does not use', () => {
    expect(faultOf(publish('a', 'x', { dup: true }), 3)).toBe(undefined)
    expect(faultOf(connect({ level: 3, flags: 0x03 }))).toBe(undefined)
  })
})
