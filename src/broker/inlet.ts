import type { Duplex } from 'node:stream'
import { type BoundaryFault, createPacketBoundary } from '../mqtt/packet-boundary.js'

/** What stands between a connection's bytes and the broker. */
export interface Inlet {
  /** Stops reading, or goes on. Calls add up: as many releases as holds let it go on. */
  hold(isHeld: boolean): void
}

/** How an inlet is to work. */
export interface InletOptions {
  /** The largest packet let through, fixed header included. */
  readonly maxPacketBytes: number
  /** Told before the stream is destroyed. */
  readonly onFault: (fault: BoundaryFault) => void
}

/**
 * Replaces `stream.read`, by which Aedes takes its bytes on 'readable': a packet that is too large ends the
 * connection when its header is seen, with at most one read's bytes (64 KiB) in memory, and a held stream
 * gives nothing, so that the peer's own window fills.
 *
 * Aedes has `client.pause()`, but a message that ends while a client is paused is not counted, and the
 * client is not read again.
 */
export function createInlet(stream: Duplex, options: InletOptions): Inlet {
  const boundary = createPacketBoundary(options.maxPacketBytes)
  const read = stream.read.bind(stream)
  let holds = 0

  stream.read = (size?: number): unknown => {
    if (holds > 0) return null
    const chunk: unknown = read(size)
    if (!(chunk instanceof Uint8Array)) return chunk
    const fault = boundary.inspect(chunk)
    if (fault === undefined) return chunk
    options.onFault(fault)
    stream.destroy()
    return null
  }

  return {
    hold(isHeld) {
      holds += isHeld ? 1 : -1
      // What came meanwhile was announced already; Aedes reads it at the next announcement.
      if (holds === 0 && !stream.destroyed) stream.emit('readable')
    },
  }
}
