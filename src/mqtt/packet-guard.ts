import { createPacketFacts, type PacketFacts, PacketType } from './packet-facts.js'
import { faults, type PacketFault } from './packet-fault.js'
import { type PacketRule, rulesBeforeConnect, rulesByLevel } from './packet-rules.js'

/** The largest packets that are let through, in bytes, fixed header included. */
export interface PacketLimits {
  readonly maxPacketBytes: number
  /** For the CONNECT, of which nobody knows whom it comes from. */
  readonly maxConnectBytes: number
}

/** What a packet was found to be. */
export type PacketVerdict = 'whole' | 'incomplete' | 'faulty'

/** Reads what one client sends, packet by packet, as strictly as MQTT 3.1 or 3.1.1 demand. */
export interface PacketGuard {
  /**
   * Checks the packet that begins at `start`. One that is `incomplete` is to be shown again, from its first
   * byte, when there are bytes up to `packet.end`, or more. A fault of the fixed header is seen before the rest
   * has come. Unused bits of MQTT 3.1 are put right in `bytes`. After `faulty`, or a DISCONNECT, there is
   * nothing more to check.
   */
  check(bytes: Uint8Array, start: number): PacketVerdict
  /** Of the packet that was checked last, and of no other: it is the same object each time. */
  readonly packet: Readonly<PacketFacts>
  /** Why the last packet was `faulty`. */
  readonly fault: PacketFault | undefined
}

const CONTINUES = 0x80
const MAX_LENGTH_BYTES = 4

/** A guard of one connection, which begins with its CONNECT [MQTT-3.1.0-1]. */
export function createPacketGuard(limits: PacketLimits): PacketGuard {
  return new Guard(limits)
}

class Guard implements PacketGuard {
  readonly packet = createPacketFacts()
  readonly #limits: PacketLimits
  #rules: readonly PacketRule[] = rulesBeforeConnect
  #maxBytes: number
  #fault: PacketFault | undefined

  constructor(limits: PacketLimits) {
    this.#limits = limits
    this.#maxBytes = Math.min(limits.maxConnectBytes, limits.maxPacketBytes)
  }

  get fault(): PacketFault | undefined {
    return this.#fault
  }

  check(bytes: Uint8Array, start: number): PacketVerdict {
    const { packet } = this
    const first = bytes[start]
    packet.start = start
    packet.end = start + 1
    packet.packetIdentifier = 0
    if (first === undefined) return 'incomplete'
    const rule = this.#rules[first]
    if (rule === undefined) return this.#fail(faults.reservedType)
    if (rule.fault !== undefined) return this.#fail(rule.fault)
    const length = readLength(bytes, packet)
    if (length === INCOMPLETE) return 'incomplete'
    const headerFault = this.#checkLength(rule, length)
    if (headerFault !== undefined) return this.#fail(headerFault)
    if (packet.end > bytes.length) return 'incomplete'
    packet.type = first >> 4
    packet.flags = first & 0x0f
    const fault = rule.check?.(bytes, packet)
    if (fault !== undefined) return this.#fail(fault)
    if (packet.flags !== rule.flags) bytes[start] = (first & 0xf0) | rule.flags
    if (packet.type === PacketType.connect) this.#begin()
    return 'whole'
  }

  #fail(fault: PacketFault): PacketVerdict {
    this.#fault = fault
    return 'faulty'
  }

  #checkLength(rule: PacketRule, length: number): PacketFault | undefined {
    if (length === TOO_LONG) return faults.lengthTooLong
    if (this.packet.end - this.packet.start > this.#maxBytes) {
      return this.#rules === rulesBeforeConnect ? faults.connectTooLarge : faults.packetTooLarge
    }
    return rule.length === -1 || rule.length === length ? undefined : faults.wrongLength
  }

  #begin(): void {
    this.#rules = rulesByLevel[this.packet.protocolLevel] ?? rulesBeforeConnect
    this.#maxBytes = this.#limits.maxPacketBytes
  }
}

const INCOMPLETE = -1
const TOO_LONG = -2

/**
 * Seven bits a byte, least significant first, in at most four bytes (MQTT 3.1.1, 2.2.3), which need not be as
 * few as possible. Sets `bodyStart` and `end`; `end` is one byte further on where the length goes on.
 */
function readLength(bytes: Uint8Array, packet: PacketFacts): number {
  const lengthAt = packet.start + 1
  let length = 0
  for (let index = 0; index < MAX_LENGTH_BYTES; index += 1) {
    const byte = bytes[lengthAt + index]
    if (byte === undefined) {
      packet.end = lengthAt + index + 1
      return INCOMPLETE
    }
    length |= (byte & 0x7f) << (7 * index)
    if ((byte & CONTINUES) === 0) {
      packet.bodyStart = lengthAt + index + 1
      packet.end = packet.bodyStart + length
      return length
    }
  }
  return TOO_LONG
}
