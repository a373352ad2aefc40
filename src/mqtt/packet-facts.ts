/** The packet types of MQTT 3.1 and 3.1.1, as the upper half of the first byte has them. */
export const PacketType = {
  connect: 1,
  connack: 2,
  publish: 3,
  puback: 4,
  pubrec: 5,
  pubrel: 6,
  pubcomp: 7,
  subscribe: 8,
  suback: 9,
  unsubscribe: 10,
  unsuback: 11,
  pingreq: 12,
  pingresp: 13,
  disconnect: 14,
} as const

/** What is known of a packet once it is checked; the positions are those in the bytes that were checked. */
export interface PacketFacts {
  /** A `PacketType`. */
  type: number
  /** The lower half of the first byte. */
  flags: number
  /** Where the packet, its variable header, and what follows it begin. */
  start: number
  bodyStart: number
  end: number
  /** Of a PUBLISH: 0 to 2. */
  qos: number
  /** Of a PUBLISH: where its topic begins and ends. */
  topicStart: number
  topicEnd: number
  /** Of a PUBLISH: where its payload begins. */
  payloadStart: number
  /** 1 to 65,535; 0 where the packet has none. */
  packetIdentifier: number
  /** Of a CONNECT: the protocol level, 3 (MQTT 3.1) or 4 (MQTT 3.1.1). */
  protocolLevel: number
}

/** Facts of nothing yet. */
export function createPacketFacts(): PacketFacts {
  return {
    type: 0,
    flags: 0,
    start: 0,
    bodyStart: 0,
    end: 0,
    qos: 0,
    topicStart: 0,
    topicEnd: 0,
    payloadStart: 0,
    packetIdentifier: 0,
    protocolLevel: 0,
  }
}

/** The 16-bit integer at `at` (MQTT 3.1.1, 1.5.2). */
export function readUint16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
}
