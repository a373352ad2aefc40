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
  return new Meter(count)
}

class Meter implements PacketMeter {
  readonly #count: CountPacket
  #state: State = 'type'
  #first = 0
  #length = 0
  #shift = 0
  #isWholeHeader = false

  constructor(count: CountPacket) {
    this.#count = count
  }

  take(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      if (this.#state === 'body') {
        const rest = Math.min(this.#length, bytes.length - at)
        this.#length -= rest
        at += rest
        if (this.#length === 0) this.#state = 'type'
        continue
      }
      const byte = bytes[at] ?? 0
      at += 1
      if (this.#state === 'type') {
        this.#first = byte
        this.#length = 0
        this.#shift = 0
        this.#isWholeHeader = true
        this.#state = 'length'
        continue
      }
      this.#length |= (byte & ~CONTINUES) << this.#shift
      this.#shift += 7
      if ((byte & CONTINUES) !== 0) continue
      this.#begin(bytes, at)
      this.#state = this.#length === 0 ? 'type' : 'body'
    }
    this.#isWholeHeader = false
  }

  #begin(bytes: Uint8Array, bodyAt: number): void {
    const type = this.#first >> 4
    const qos = type === PacketType.publish ? (this.#first >> 1) & 3 : 0
    if (type !== PacketType.publish) this.#count(type, 0, 0)
    else if (!this.#isWholeHeader || bodyAt + 2 > bytes.length) this.#count(type, qos, this.#length)
    else this.#count(type, qos, this.#length - 2 - readUint16(bytes, bodyAt) - (qos > 0 ? 2 : 0))
  }
}
