/** Cuts one direction of a connection between its packets. */
export interface PacketCutter {
  /**
   * The next bytes, each packet apart; of one that began before, or ends later, the part that is here. A fixed header
   * that is cut itself waits for its end.
   */
  cut(bytes: Buffer): readonly Buffer[]
}

/** For a stream that is known to be well formed. */
export function createPacketCutter(): PacketCutter {
  return new Cutter()
}

const CONTINUES = 0x80

class Cutter implements PacketCutter {
  /** What is to come of the packet that has begun. */
  #restBytes = 0
  #header: Buffer | undefined

  cut(next: Buffer): readonly Buffer[] {
    const bytes = this.#header === undefined ? next : Buffer.concat([this.#header, next])
    this.#header = undefined
    const parts: Buffer[] = []
    for (let at = 0; at < bytes.length; ) {
      if (this.#restBytes === 0) {
        const packetBytes = packetLength(bytes, at)
        if (packetBytes === undefined) {
          this.#header = bytes.subarray(at)
          break
        }
        this.#restBytes = packetBytes
      }
      const part = bytes.subarray(at, at + this.#restBytes)
      parts.push(part)
      this.#restBytes -= part.length
      at += part.length
    }
    return parts
  }
}

/** In bytes, its fixed header included (MQTT 3.1.1, section 2.2.3); `undefined`: that is not all there. */
function packetLength(bytes: Buffer, start: number): number | undefined {
  let length = 0
  for (let at = start + 1, shift = 0; at < bytes.length; at += 1, shift += 7) {
    const byte = bytes[at] ?? 0
    length |= (byte & ~CONTINUES) << shift
    if ((byte & CONTINUES) === 0) return at + 1 - start + length
  }
  return undefined
}
