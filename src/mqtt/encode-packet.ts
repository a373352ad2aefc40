/** A PUBLISH as it goes to a client. */
export interface OutgoingPublish {
  readonly topic: string
  readonly payload: Buffer | string
  readonly qos: 0 | 1 | 2
  /** DUP: it may have been sent before [MQTT-3.3.1-1]. */
  readonly isRepeated: boolean
  readonly isRetained: boolean
  /** 1 to 65,535; 0 for QoS 0, which has none [MQTT-2.3.1-5]. */
  readonly packetIdentifier: number
}

const PUBLISH = 3 << 4
const PUBACK = 4 << 4
const SUBACK = 9 << 4

/** PUBREL, with the flags that it must have [MQTT-3.6.1-1], and its length. */
const PUBREL = [(6 << 4) | 0b0010, 2] as const

/** The bytes of a PUBLISH (MQTT 3.1.1, section 3.3), in memory of their own. */
export function encodePublish(publish: OutgoingPublish): Buffer {
  const { topic, payload, qos, isRepeated, isRetained, packetIdentifier } = publish
  const topicBytes = Buffer.byteLength(topic)
  const payloadBytes = Buffer.byteLength(payload)
  const remaining = 2 + topicBytes + (qos > 0 ? 2 : 0) + payloadBytes
  const packet = Buffer.allocUnsafe(1 + lengthOfLength(remaining) + remaining)
  packet[0] = PUBLISH | (isRepeated ? 0b1000 : 0) | (qos << 1) | (isRetained ? 1 : 0)
  let at = writeLength(packet, remaining)
  at = packet.writeUInt16BE(topicBytes, at)
  at += packet.write(topic, at)
  if (qos > 0) at = packet.writeUInt16BE(packetIdentifier, at)
  if (typeof payload === 'string') packet.write(payload, at)
  else packet.set(payload, at)
  return packet
}

/** The bytes of a PUBREL (MQTT 3.1.1, section 3.6). */
export function encodePubrel(packetIdentifier: number): Buffer {
  return Buffer.from([...PUBREL, packetIdentifier >> 8, packetIdentifier & 0xff])
}

/** The bytes of so many PUBACKs (MQTT 3.1.1, section 3.4), one behind the other. */
export function encodePubacks(packetIdentifiers: readonly number[]): Buffer {
  const packets = Buffer.allocUnsafe(packetIdentifiers.length * 4)
  let at = 0
  for (const packetIdentifier of packetIdentifiers) {
    packets[at] = PUBACK
    packets[at + 1] = 2
    packets[at + 2] = packetIdentifier >> 8
    packets[at + 3] = packetIdentifier & 0xff
    at += 4
  }
  return packets
}

/** The bytes of a SUBACK (MQTT 3.1.1, section 3.9). */
export function encodeSuback(packetIdentifier: number, returnCodes: readonly number[]): Buffer {
  const remaining = 2 + returnCodes.length
  const packet = Buffer.allocUnsafe(1 + lengthOfLength(remaining) + remaining)
  packet[0] = SUBACK
  const at = packet.writeUInt16BE(packetIdentifier, writeLength(packet, remaining))
  packet.set(returnCodes, at)
  return packet
}

/** Seven bits a byte (MQTT 3.1.1, section 2.2.3). */
function lengthOfLength(remaining: number): number {
  if (remaining < 2 ** 7) return 1
  if (remaining < 2 ** 14) return 2
  return remaining < 2 ** 21 ? 3 : 4
}

function writeLength(packet: Buffer, remaining: number): number {
  let at = 1
  let rest = remaining
  while (rest >= 128) {
    packet[at] = (rest & 0x7f) | 0x80
    rest >>= 7
    at += 1
  }
  packet[at] = rest
  return at + 1
}
