import { PacketType, readUint16 } from './packet-facts.js'
import type { TopicReader } from './topic-names.js'

/** A PUBLISH of QoS 0 or 1. */
export interface ReceivedPublish {
  readonly topic: string
  /** A part of what was read from the socket. */
  readonly payload: Buffer
  readonly qos: 0 | 1
  readonly isRetained: boolean
  /** 1 to 65,535; `undefined` at QoS 0. */
  readonly packetIdentifier: number | undefined
}

/** PUBACK, PUBREC or PUBCOMP: what a subscriber answers with. */
export type Acknowledgement = 'puback' | 'pubrec' | 'pubcomp'

/** Who takes a client's packets, one after the other. */
export interface PacketTaker {
  /** `false`: nothing more is taken. */
  isOpen(): boolean
  publish(publish: ReceivedPublish): void
  acknowledge(kind: Acknowledgement, packetIdentifier: number): void
  /** The bytes of any other packet, a PUBLISH of QoS 2 among them. */
  other(packet: Buffer): void
}

const acknowledgements: Readonly<Record<number, Acknowledgement>> = {
  [PacketType.puback]: 'puback',
  [PacketType.pubrec]: 'pubrec',
  [PacketType.pubcomp]: 'pubcomp',
}

/** Takes whole packets apart that a `PacketGuard` has found right; nothing of them is checked again. */
export function readPackets(bytes: Buffer, topicOf: TopicReader, taker: PacketTaker): void {
  for (let at = 0; at < bytes.length && taker.isOpen(); ) {
    const first = bytes[at] ?? 0
    let bodyStart = at + 1
    let length = 0
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[bodyStart] ?? 0
      bodyStart += 1
      length |= (byte & 0x7f) << shift
      if (byte < 0x80) break
    }
    const end = bodyStart + length
    const type = first >> 4
    const qos = (first >> 1) & 3
    const acknowledgement = acknowledgements[type]
    if (type === PacketType.publish && qos < 2)
      taker.publish(readPublish(bytes, first, bodyStart, end, topicOf))
    else if (acknowledgement !== undefined) taker.acknowledge(acknowledgement, readUint16(bytes, bodyStart))
    else taker.other(bytes.subarray(at, end))
    at = end
  }
}

/** MQTT 3.1.1, section 3.3. */
function readPublish(
  bytes: Buffer,
  first: number,
  bodyStart: number,
  end: number,
  topicOf: TopicReader,
): ReceivedPublish {
  const topicStart = bodyStart + 2
  const topicEnd = topicStart + readUint16(bytes, bodyStart)
  const topic = topicOf(bytes, topicStart, topicEnd)
  const isRetained = (first & 1) !== 0
  if ((first & 0b0110) === 0) {
    return { topic, payload: bytes.subarray(topicEnd, end), qos: 0, isRetained, packetIdentifier: undefined }
  }
  const payload = bytes.subarray(topicEnd + 2, end)
  return { topic, payload, qos: 1, isRetained, packetIdentifier: readUint16(bytes, topicEnd) }
}
