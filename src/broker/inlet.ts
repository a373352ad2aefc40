import type { Duplex } from 'node:stream'
import { type BoundaryFault, createPacketBoundary } from '../mqtt/packet-boundary.js'

/** What stands between a connection's bytes and the broker. */
export interface Inlet {
  /** Stops reading, or goes on. Calls add up: as many releases as holds let it go on. */
  hold(isHeld: boolean): void
  /** Lets the broker read on, although a message that it has read is not done with. */
  readAhead(): void
  /** Ends the connection when no packet comes for so long; 0: never. A held connection is not judged. */
  setSilenceLimit(limitMs: number): void
  /** What was set. */
  readonly silenceLimitMs: number
  /** When the peer's last bytes were read, epoch ms; 0: none yet. */
  readonly lastReadAtMs: number
}

/** Why an inlet ended its connection. */
export type InletFault = BoundaryFault | 'keep alive timeout'

/** How an inlet is to work. */
export interface InletOptions {
  /** The largest packet let through, fixed header included. */
  readonly maxPacketBytes: number
  /** Told before the stream is destroyed. */
  readonly onFault: (fault: InletFault) => void
}

/**
 * Replaces `stream.read`, by which Aedes takes its bytes on 'readable': a packet that is too large ends the
 * connection when its header is seen, with at most one read's bytes (64 KiB) in memory, and a held stream
 * gives nothing, so that the peer's own window fills.
 *
 * Aedes reads only when every message but one of what it read before is done with, and 'readable' counts as
 * one done. A message that waits for the database must not keep the client's PINGREQ from being answered,
 * hence `readAhead`. Aedes has `client.pause()`, but a message that ends while a client is paused is not
 * counted, and the client is not read again; and its keep alive timer would end a client that is held.
 */
export function createInlet(stream: Duplex, options: InletOptions): Inlet {
  const boundary = createPacketBoundary(options.maxPacketBytes)
  const read = stream.read.bind(stream)
  let holds = 0
  let announcements = 0
  let silenceLimitMs = 0
  let lastReadAtMs = 0
  let silence: NodeJS.Timeout | undefined

  const fail = (fault: InletFault): void => {
    options.onFault(fault)
    stream.destroy()
  }

  /** What came while this process stood still is read after the timers of that time. */
  const failUnlessHeard = (): void => {
    const beforeMs = lastReadAtMs
    setImmediate(() => {
      const isHeard = holds > 0 || stream.readableLength > 0 || lastReadAtMs !== beforeMs
      if (isHeard) silence?.refresh()
      else if (!stream.destroyed) fail('keep alive timeout')
    })
  }

  const announce = (): void => {
    for (; announcements > 0 && !stream.destroyed; announcements -= 1) stream.emit('readable')
  }

  stream.read = (size?: number): unknown => {
    if (holds > 0) return null
    const chunk: unknown = read(size)
    if (!(chunk instanceof Uint8Array)) return chunk
    const fault = boundary.inspect(chunk)
    if (fault === undefined) {
      silence?.refresh()
      lastReadAtMs = Date.now()
      return chunk
    }
    fail(fault)
    return null
  }
  stream.once('close', () => clearTimeout(silence))

  return {
    hold(isHeld) {
      holds += isHeld ? 1 : -1
      if (holds > 0) return
      silence?.refresh()
      // What came meanwhile was announced already; Aedes reads it at the next announcement.
      if (!stream.destroyed) stream.emit('readable')
    },
    readAhead() {
      announcements += 1
      // Not now: Aedes is in the middle of parsing what it read.
      if (announcements === 1) queueMicrotask(announce)
    },
    get silenceLimitMs() {
      return silenceLimitMs
    },
    get lastReadAtMs() {
      return lastReadAtMs
    },
    setSilenceLimit(limitMs) {
      silenceLimitMs = limitMs
      if (limitMs === 0 || stream.destroyed) return
      silence = setTimeout(failUnlessHeard, limitMs)
    },
  }
}
