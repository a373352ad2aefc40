/** Why a stream of bytes is no stream of MQTT packets that this server takes. */
export type BoundaryFault = 'packet too large' | 'malformed remaining length'

/** Follows the packets of one connection through its reads, holding a few numbers and no bytes. */
export interface PacketBoundary {
  /** Looks at the next bytes; the fault is known before the packet's body has been read. */
  inspect(chunk: Uint8Array): BoundaryFault | undefined
}

const CONTINUES = 0x80
const MAX_LENGTH_BYTES = 4

/**
 * Reads only the fixed headers: one byte of type and flags, then one to four bytes of remaining length,
 * seven bits each, least significant first (MQTT 3.1.1, section 2.2.3). `maxPacketBytes` counts the header.
 */
export function createPacketBoundary(maxPacketBytes: number): PacketBoundary {
  let isInHeader = false
  let lengthBytes = 0
  let length = 0
  let bodyLeft = 0

  const header = (byte: number): BoundaryFault | undefined => {
    if (!isInHeader) {
      isInHeader = true
      lengthBytes = 0
      length = 0
      return undefined
    }
    length += (byte & 0x7f) * 0x80 ** lengthBytes
    lengthBytes += 1
    if ((byte & CONTINUES) !== 0) {
      return lengthBytes === MAX_LENGTH_BYTES ? 'malformed remaining length' : undefined
    }
    isInHeader = false
    bodyLeft = length
    return 1 + lengthBytes + length > maxPacketBytes ? 'packet too large' : undefined
  }

  return {
    inspect(chunk) {
      let position = 0
      while (position < chunk.length) {
        if (bodyLeft > 0) {
          const skipped = Math.min(bodyLeft, chunk.length - position)
          bodyLeft -= skipped
          position += skipped
          continue
        }
        const fault = header(chunk[position] ?? 0)
        if (fault !== undefined) return fault
        position += 1
      }
      return undefined
    },
  }
}
