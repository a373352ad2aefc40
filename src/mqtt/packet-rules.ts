import { checkConnect } from './check-connect.js'
import { type PacketFacts, PacketType, readUint16 } from './packet-facts.js'
import { faults, type PacketFault } from './packet-fault.js'
import { checkFilter, checkTopic } from './packet-text.js'

/** Checks a whole packet, whose fixed header is right, and adds to its facts. */
export type PacketCheck = (bytes: Uint8Array, packet: PacketFacts) => PacketFault | undefined

/** What a packet is to be that begins with one certain byte. */
export interface PacketRule {
  /** Set where no packet may begin so. */
  readonly fault: PacketFault | undefined
  /** The flags that mean the same as the packet's own, where these are unused bits of MQTT 3.1. */
  readonly flags: number
  /** The only remaining length that there may be; -1: more than one. */
  readonly length: number
  readonly check: PacketCheck | undefined
}

/** A row of the table of packets, from which a rule for each of its flags is made. */
interface PacketRow {
  readonly type: number
  readonly flags: number
  readonly flagsFault?: PacketFault
  readonly length?: number
  readonly check?: PacketCheck
}

/** What follows a packet identifier that is alone in its packet: nothing. */
const IDENTIFIER_BYTES = 2

/** Bits of a SUBSCRIBE's options that are reserved (MQTT 3.1.1, figure 3.22). */
const RESERVED_OPTIONS = 0xfc
const MAX_QOS = 2

/** The flag of a PUBLISH that is sent again. */
const DUP = 8

/** Every packet from client to server, PUBLISH aside (MQTT 3.1.1, tables 2.1 and 2.2). */
const packets: readonly PacketRow[] = [
  { type: PacketType.puback, flags: 0, length: IDENTIFIER_BYTES, check: checkIdentifier },
  { type: PacketType.pubrec, flags: 0, length: IDENTIFIER_BYTES, check: checkIdentifier },
  {
    type: PacketType.pubrel,
    flags: 2,
    flagsFault: faults.pubrelFlags,
    length: IDENTIFIER_BYTES,
    check: checkIdentifier,
  },
  { type: PacketType.pubcomp, flags: 0, length: IDENTIFIER_BYTES, check: checkIdentifier },
  { type: PacketType.subscribe, flags: 2, flagsFault: faults.subscribeFlags, check: checkSubscribe },
  { type: PacketType.unsubscribe, flags: 2, flagsFault: faults.unsubscribeFlags, check: checkUnsubscribe },
  { type: PacketType.pingreq, flags: 0, length: 0 },
  { type: PacketType.disconnect, flags: 0, flagsFault: faults.disconnectFlags, length: 0 },
]

const serverOnly: readonly number[] = [
  PacketType.connack,
  PacketType.suback,
  PacketType.unsuback,
  PacketType.pingresp,
]

/** The rules of a connection that has sent no CONNECT, by the first byte of a packet [MQTT-3.1.0-1]. */
export const rulesBeforeConnect: readonly PacketRule[] = byFirstByte((type, flags) =>
  // Which flags it may have depends on its version.
  type === PacketType.connect ? rule({ check: checkConnect, flags }) : refuse(faults.noConnect),
)

/** The rules of a connection after its CONNECT, by the protocol level of that and the first byte of a packet. */
export const rulesByLevel: Readonly<Record<number, readonly PacketRule[]>> = {
  3: byFirstByte((type, flags) => ruleAfterConnect(type, flags, true)),
  4: byFirstByte((type, flags) => ruleAfterConnect(type, flags, false)),
}

function byFirstByte(ruleOf: (type: number, flags: number) => PacketRule): PacketRule[] {
  return Array.from({ length: 0x100 }, (_, first) => ruleOf(first >> 4, first & 0x0f))
}

function ruleAfterConnect(type: number, flags: number, ignoresFlags: boolean): PacketRule {
  if (type === PacketType.connect) return refuse(faults.secondConnect)
  if (type === PacketType.publish) return rulePublish(flags, ignoresFlags)
  if (serverOnly.includes(type)) return refuse(faults.serverOnly)
  const row = packets.find((packet) => packet.type === type)
  if (row === undefined) return refuse(faults.reservedType)
  if (flags !== row.flags && !ignoresFlags) return refuse(row.flagsFault ?? faults.reservedFlags)
  return rule(row)
}

function rulePublish(flags: number, ignoresFlags: boolean): PacketRule {
  const qos = (flags >> 1) & 3
  if (qos > MAX_QOS) return refuse(faults.qos)
  const isDupAtQos0 = qos === 0 && (flags & DUP) !== 0
  if (isDupAtQos0 && !ignoresFlags) return refuse(faults.dupAtQos0)
  return rule({
    flags: isDupAtQos0 ? flags & ~DUP : flags,
    check: qos === 0 ? checkPublish : checkAcknowledgedPublish,
  })
}

function rule({ flags, length = -1, check }: Omit<PacketRow, 'type' | 'flagsFault'>): PacketRule {
  return { fault: undefined, flags, length, check }
}

function refuse(fault: PacketFault): PacketRule {
  return { fault, flags: 0, length: -1, check: undefined }
}

function checkIdentifier(bytes: Uint8Array, packet: PacketFacts): PacketFault | undefined {
  if (packet.bodyStart + IDENTIFIER_BYTES > packet.end) return faults.tooShort
  packet.packetIdentifier = readUint16(bytes, packet.bodyStart)
  return packet.packetIdentifier === 0 ? faults.packetIdentifierZero : undefined
}

function checkPublish(bytes: Uint8Array, packet: PacketFacts): PacketFault | undefined {
  const { bodyStart, end } = packet
  const topicStart = bodyStart + 2
  const topicEnd = topicStart + readUint16(bytes, bodyStart)
  if (topicStart > end || topicEnd > end) return faults.tooShort
  packet.qos = (packet.flags >> 1) & 3
  packet.topicStart = topicStart
  packet.topicEnd = topicEnd
  packet.payloadStart = topicEnd
  return checkTopic(bytes, topicStart, topicEnd)
}

function checkAcknowledgedPublish(bytes: Uint8Array, packet: PacketFacts): PacketFault | undefined {
  const fault = checkPublish(bytes, packet)
  if (fault !== undefined) return fault
  const { topicEnd, end } = packet
  if (topicEnd + IDENTIFIER_BYTES > end) return faults.tooShort
  packet.packetIdentifier = readUint16(bytes, topicEnd)
  packet.payloadStart = topicEnd + IDENTIFIER_BYTES
  return packet.packetIdentifier === 0 ? faults.packetIdentifierZero : undefined
}

function checkSubscribe(bytes: Uint8Array, packet: PacketFacts): PacketFault | undefined {
  return checkIdentifier(bytes, packet) ?? checkFilters(bytes, packet, 1, faults.nothingToSubscribe)
}

function checkUnsubscribe(bytes: Uint8Array, packet: PacketFacts): PacketFault | undefined {
  return checkIdentifier(bytes, packet) ?? checkFilters(bytes, packet, 0, faults.nothingToUnsubscribe)
}

/** One filter or more, each followed by so many bytes of options. */
function checkFilters(
  bytes: Uint8Array,
  { bodyStart, end }: PacketFacts,
  optionBytes: 0 | 1,
  nothing: PacketFault,
): PacketFault | undefined {
  let at = bodyStart + IDENTIFIER_BYTES
  if (at === end) return nothing
  while (at < end) {
    if (at + 2 > end) return faults.tooShort
    const filterEnd = at + 2 + readUint16(bytes, at)
    if (filterEnd + optionBytes > end) return faults.tooShort
    const fault = checkFilter(bytes, at + 2, filterEnd)
    if (fault !== undefined) return fault
    const options = optionBytes === 0 ? 0 : (bytes[filterEnd] ?? 0)
    if ((options & RESERVED_OPTIONS) !== 0 || options > MAX_QOS) return faults.requestedQos
    at = filterEnd + optionBytes
  }
  return undefined
}
