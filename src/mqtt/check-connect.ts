import { type PacketFacts, readUint16 } from './packet-facts.js'
import { faults, type PacketFault } from './packet-fault.js'
import { checkText, checkWillTopic, type TextCheck } from './packet-text.js'

/** The connect flags (MQTT 3.1.1, figure 3.4). */
const Flag = { reserved: 0x01, cleanSession: 0x02, will: 0x04, willQos: 0x18, willRetain: 0x20 } as const
const PASSWORD = 0x40
const USER_NAME = 0x80

/** Set in the protocol level by a bridge of Mosquitto. */
const BRIDGE = 0x80

/** The protocols that are spoken, by the name that the CONNECT begins with, its length included. */
const protocols = [
  { level: 4, name: Buffer.from('\0\x04MQTT') },
  { level: 3, name: Buffer.from('\0\x06MQIsdp') },
] as const

/** A string or some bytes of the payload, in their order [MQTT-3.1.3-1]; there when `isPresent` says so. */
interface Field {
  readonly isPresent: (flags: number) => boolean
  /** `undefined`: any bytes. */
  readonly check: TextCheck | undefined
}

const fields: readonly Field[] = [
  { isPresent: () => true, check: checkText }, // the client id [MQTT-3.1.3-3]
  { isPresent: (flags) => (flags & Flag.will) !== 0, check: checkWillTopic },
  { isPresent: (flags) => (flags & Flag.will) !== 0, check: undefined },
  { isPresent: (flags) => (flags & USER_NAME) !== 0, check: checkText },
  { isPresent: (flags) => (flags & PASSWORD) !== 0, check: undefined },
]

/** The last of the fields that MQTT 3.1 does not let be absent when their flag is set. */
const WILL_PAYLOAD = 2

/** A whole CONNECT. What MQTT 3.1 lets be and mqtt-packet does not is put right in `bytes`. */
export function checkConnect(bytes: Uint8Array, packet: PacketFacts): PacketFault | undefined {
  const { bodyStart, end } = packet
  const protocol = protocols.find(({ name }) => beginsWith(bytes, bodyStart, end, name))
  if (protocol === undefined) return faults.protocolName
  const { level, name } = protocol
  const levelAt = bodyStart + name.length
  if (levelAt >= end) return faults.tooShort
  if (((bytes[levelAt] ?? 0) & ~BRIDGE) !== level) return faults.protocolLevel
  const flagsAt = levelAt + 1
  const payloadAt = flagsAt + 3 // the flags, and two bytes of keep alive
  if (payloadAt + 2 > end) return faults.tooShort
  packet.protocolLevel = level
  const fault = level === 3 ? repairOldFlags(bytes, packet, flagsAt) : checkFlags(bytes, packet, flagsAt)
  if (fault !== undefined) return fault
  const isAnonymous = readUint16(bytes, payloadAt) === 0
  return (
    checkFields(bytes, packet, flagsAt, payloadAt) ?? checkClientId(isAnonymous, level, bytes[flagsAt] ?? 0)
  )
}

function checkFlags(
  bytes: Uint8Array,
  { flags: headerFlags }: PacketFacts,
  at: number,
): PacketFault | undefined {
  const flags = bytes[at] ?? 0
  if (headerFlags !== 0) return faults.reservedFlags
  if ((flags & Flag.reserved) !== 0) return faults.connectFlags
  if ((flags & Flag.willQos) === Flag.willQos) return faults.willQos
  if ((flags & Flag.will) === 0) {
    if ((flags & Flag.willQos) !== 0) return faults.willQosWithoutWill
    if ((flags & Flag.willRetain) !== 0) return faults.willRetainWithoutWill
  }
  return (flags & (USER_NAME | PASSWORD)) === PASSWORD ? faults.passwordWithoutUser : undefined
}

/** The bits that MQTT 3.1 calls unused (its section 3.1) are cleared. */
function repairOldFlags(bytes: Uint8Array, packet: PacketFacts, at: number): PacketFault | undefined {
  let flags = (bytes[at] ?? 0) & ~Flag.reserved
  if ((flags & Flag.willQos) === Flag.willQos) return faults.willQos
  if ((flags & Flag.will) === 0) flags &= ~(Flag.willQos | Flag.willRetain)
  bytes[packet.start] = packet.type << 4
  bytes[at] = flags
  return (flags & (USER_NAME | PASSWORD)) === PASSWORD ? faults.passwordWithoutUser : undefined
}

function checkFields(
  bytes: Uint8Array,
  { end, protocolLevel }: PacketFacts,
  flagsAt: number,
  payloadAt: number,
): PacketFault | undefined {
  const flags = bytes[flagsAt] ?? 0
  let at = payloadAt
  for (const [index, { isPresent, check }] of fields.entries()) {
    if (!isPresent(flags)) continue
    if (at === end && protocolLevel === 3 && index > WILL_PAYLOAD) {
      // "must allow for the possibility that the flag is set, but the string is missing" (MQTT 3.1, 3.1)
      bytes[flagsAt] = flags & ~(index === fields.length - 1 ? PASSWORD : USER_NAME | PASSWORD)
      return undefined
    }
    if (at + 2 > end) return faults.tooShort
    const next = at + 2 + readUint16(bytes, at)
    if (next > end) return faults.tooShort
    const fault = check?.(bytes, at + 2, next)
    if (fault !== undefined) return fault
    at = next
  }
  return at < end ? faults.trailingBytes : undefined
}

/** MQTT 3.1 knows no empty client id; a longer one than its 23 characters is let be, as devices have 36. */
function checkClientId(isAnonymous: boolean, level: number, flags: number): PacketFault | undefined {
  const mayBeEmpty = level === 4 && (flags & Flag.cleanSession) !== 0
  return isAnonymous && !mayBeEmpty ? faults.noClientId : undefined
}

function beginsWith(bytes: Uint8Array, start: number, end: number, prefix: Uint8Array): boolean {
  return start + prefix.length <= end && prefix.every((byte, index) => bytes[start + index] === byte)
}
