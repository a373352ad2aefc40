import { PacketType, readUint16 } from './packet-facts.js'

/** Told of each packet that begins; `payloadBytes` is 0 for all but a PUBLISH. */
export type CountPacket = (type: number, qos: number, payloadBytes: number) => void

/** Sees one direction of a connection. */
export interface PacketMeter {
  /** The next bytes, which may hold several packets or a part of one. */
  take(bytes: Uint8Array): void
}

const CONTINUES = 0x80

/** Where a packet is cut. */
type State = 'type' | 'length' | 'body'

/**
 * Counts the packets of a stream that is known to be well formed. The topic of a PUBLISH must begin in the bytes in
 * which the packet does; else all of its body counts as payload.
 */
export function createPacketMeter(count: CountPacket): PacketMeter {
  let state: State = 'type'
  let first = 0
  let length = 0
  let shift = 0
  let isWholeHeader = false

  const begin = (bytes: Uint8Array, bodyAt: number): void => {
    const type = first >> 4
    const qos = type === PacketType.publish ? (first >> 1) & 3 : 0
    if (type !== PacketType.publish) count(type, 0, 0)
    else if (!isWholeHeader || bodyAt + 2 > bytes.length) count(type, qos, length)
    else count(type, qos, length - 2 - readUint16(bytes, bodyAt) - (qos > 0 ? 2 : 0))
  }

  return {
    take(bytes) {
      for (let at = 0; at < bytes.length; ) {
        if (state === 'body') {
          const rest = Math.min(length, bytes.length - at)
          length -= rest
          at += rest
          if (length === 0) state = 'type'
          continue
        }
        const byte = bytes[at] ?? 0
        at += 1
        if (state === 'type') {
          first = byte
          length = 0
          shift = 0
          isWholeHeader = true
          state = 'length'
          continue
        }
        length |= (byte & ~CONTINUES) << shift
        shift += 7
        if ((byte & CONTINUES) !== 0) continue
        begin(bytes, at)
        state = length === 0 ? 'type' : 'body'
      }
      isWholeHeader = false
    },
  }
}
