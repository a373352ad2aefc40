import { PacketType } from './packet-facts.js'
import type { PacketFault } from './packet-fault.js'
import { createPacketGuard, type PacketLimits, type PacketVerdict } from './packet-guard.js'

/** What some bytes of a peer have brought. */
export interface Intake {
  /** Whole packets, all of them right, in the order of their arrival; may be empty. */
  readonly packets: Buffer
  /** Whether they are the CONNECT, which comes alone. */
  readonly isConnect: boolean
  /** What follows the CONNECT, and is to be taken when that has been answered. */
  readonly rest: Buffer | undefined
  /** What is wrong with the packet behind them; nothing is to be taken after it. */
  readonly fault: PacketFault | undefined
  /** Whether the last of them is a DISCONNECT, behind which nothing is read [MQTT-3.14.4-2]. */
  readonly isEnd: boolean
}

/** Takes the bytes of one connection, and gives whole packets. */
export interface PacketIntake {
  take(chunk: Buffer): Intake
}

/** A split packet gets memory for so many bytes at once, if it has them; what it is gathered in grows twofold. */
const FIRST_CAPACITY = 1024

const nothing = Buffer.alloc(0)
const NOTHING: Intake = {
  packets: nothing,
  isConnect: false,
  rest: undefined,
  fault: undefined,
  isEnd: false,
}

/**
 * Packets that are wholly in one chunk are checked where they are and given as they are. One that is not is
 * copied together, in memory of at most twice what has come of it, so that what it costs does not depend on
 * how it is split.
 */
export function createPacketIntake(limits: PacketLimits): PacketIntake {
  const guard = createPacketGuard(limits)
  const { packet } = guard
  let gathered = nothing
  let gatheredBytes = 0
  /** With so many bytes of the split packet there is more to be said of it. */
  let wantedBytes = 0

  const gather = (bytes: Buffer): void => {
    const needed = gatheredBytes + bytes.length
    if (needed > gathered.length) {
      const ahead = Math.min(Math.max(2 * gathered.length, FIRST_CAPACITY), wantedBytes)
      const larger = Buffer.allocUnsafe(Math.max(needed, ahead))
      gathered.copy(larger, 0, 0, gatheredBytes)
      gathered = larger
    }
    bytes.copy(gathered, gatheredBytes)
    gatheredBytes = needed
  }

  /** Takes whole packets from `start` on, to go behind the packet `before`. */
  const scan = (chunk: Buffer, start: number, before: Buffer): Intake => {
    let at = start
    let verdict: PacketVerdict = 'whole'
    let isEnd = before.length > 0 && packet.type === PacketType.disconnect
    let isConnect = before.length > 0 && packet.type === PacketType.connect
    while (at < chunk.length && !isEnd && !isConnect) {
      verdict = guard.check(chunk, at)
      if (verdict !== 'whole') break
      at = packet.end
      isEnd = packet.type === PacketType.disconnect
      isConnect = packet.type === PacketType.connect
    }
    if (verdict === 'incomplete') {
      wantedBytes = packet.end - at
      gather(chunk.subarray(at))
    }
    return {
      isConnect,
      // A view of all of it would say the same, and cost as much as the check of a packet.
      packets: at - start === chunk.length ? chunk : join(before, chunk.subarray(start, at)),
      rest: isConnect && at < chunk.length ? chunk.subarray(at) : undefined,
      fault: verdict === 'faulty' ? guard.fault : undefined,
      isEnd,
    }
  }

  /** Adds to the packet that began in an earlier chunk what belongs to it. */
  const complete = (chunk: Buffer): Intake => {
    for (let at = 0; at < chunk.length; ) {
      const next = Math.min(at + wantedBytes - gatheredBytes, chunk.length)
      gather(chunk.subarray(at, next))
      at = next
      if (gatheredBytes < wantedBytes) break
      const bytes = gathered.subarray(0, gatheredBytes)
      const verdict = guard.check(bytes, 0)
      if (verdict === 'faulty') return { ...NOTHING, fault: guard.fault }
      if (verdict === 'whole') {
        gathered = nothing
        gatheredBytes = 0
        return scan(chunk, at, bytes)
      }
      wantedBytes = packet.end
    }
    return NOTHING
  }

  return { take: (chunk) => (gatheredBytes > 0 ? complete(chunk) : scan(chunk, 0, nothing)) }
}

function join(before: Buffer, after: Buffer): Buffer {
  if (before.length === 0) return after
  return after.length === 0 ? before : Buffer.concat([before, after])
}
