import type { Duplex } from 'node:stream'
import type { PacketFault } from '../mqtt/packet-fault.js'
import { createPacketIntake } from '../mqtt/packet-intake.js'

/** What stands between a connection's bytes and the broker. */
export interface Inlet {
  /** Stops reading, or goes on. Calls add up: as many releases as holds let it go on. */
  hold(isHeld: boolean): void
  /** The CONNECT has had its CONNACK, and what the client has sent behind it may be read. */
  goOn(): void
  /** Ends the connection for a packet that was read, when those before it have had their answers. */
  refuse(fault: PacketFault): void
  /** Whether a packet was refused, behind which nothing is to be handled. */
  readonly isRefused: boolean
  /** To be called when all that was read may be done with. */
  settled(): void
  /** Lets the broker read on, although a message that it has read is not done with. */
  readAhead(): void
  /** How much was read last, which is kept while any part of it is; 0 when it was asked for since. */
  takeReadBytes(): number
  /** Ends the connection when no whole packet comes for so long; 0: never. A held connection is not judged. */
  setSilenceLimit(limitMs: number): void
  /** What was set. */
  readonly silenceLimitMs: number
  /** When the peer's last bytes were read, epoch ms; 0: none yet. */
  readonly lastReadAtMs: number
}

/** How an inlet is to work. */
export interface InletOptions {
  /** The largest packet let through, fixed header included. */
  readonly maxPacketBytes: number
  /** Whether packets that were read have not had their answers. */
  readonly isBusy: () => boolean
  /** Told before the stream is destroyed. */
  readonly onFault: (fault: PacketFault) => void
}

/** What a CONNECT may have, from someone who has not logged in: one read's worth. */
const MAX_CONNECT_BYTES = 65_536

const SILENCE: PacketFault = { clause: 'MQTT-3.1.2-24', fault: 'keep alive timeout' }

/**
 * Replaces `stream.read`, by which Aedes takes its bytes on 'readable': it gets whole packets, all of them
 * right, and the connection ends when those before a wrong one have had their answers. A held stream gives
 * nothing, so that the peer's own window fills. What follows the CONNECT stays here until that is answered: of
 * what came before the CONNACK, Aedes handles some behind what came after it.
 *
 * Aedes reads only when every message but one of what it read before is done with, and 'readable' counts as
 * one done. A message that waits for the database must not keep the client's PINGREQ from being answered,
 * hence `readAhead`. Aedes has `client.pause()`, but a message that ends while a client is paused is not
 * counted, and the client is not read again; and its keep alive timer would end a client that is held.
 */
export function createInlet(stream: Duplex, options: InletOptions): Inlet {
  const { maxPacketBytes } = options
  const intake = createPacketIntake({ maxPacketBytes, maxConnectBytes: MAX_CONNECT_BYTES })
  const read = stream.read.bind(stream)
  let holds = 0
  let announcements = 0
  let silenceLimitMs = 0
  let lastReadAtMs = 0
  let readBytes = 0
  let silence: NodeJS.Timeout | undefined
  let isAnswered = false
  let isRefused = false
  /** What was read behind the CONNECT. */
  let rest: Buffer | undefined
  /** What is to be done instead of reading on. */
  let end: (() => void) | undefined

  const fail = (fault: PacketFault): void => {
    end = () => undefined
    options.onFault(fault)
    if (fault.returnCode === undefined) stream.destroy()
    else stream.end(Buffer.of(0x20, 2, 0, fault.returnCode), () => stream.destroy())
  }

  const endNow = (): void => {
    if (!stream.destroyed) end?.()
  }

  const settled = (): void => {
    // Answers that were written in this turn leave before the next.
    if (end !== undefined && !options.isBusy()) setImmediate(endNow)
  }

  const hold = (isHeld: boolean): void => {
    holds += isHeld ? 1 : -1
    if (holds > 0) return
    silence?.refresh()
    // What came meanwhile was announced already; Aedes reads it at the next announcement.
    if (!stream.destroyed) stream.emit('readable')
  }

  /** What came while this process stood still is read after the timers of that time. */
  const failUnlessHeard = (): void => {
    const beforeMs = lastReadAtMs
    setImmediate(() => {
      const isHeard = holds > 0 || stream.readableLength > 0 || lastReadAtMs !== beforeMs
      if (isHeard) silence?.refresh()
      else if (!stream.destroyed) fail(SILENCE)
    })
  }

  const announce = (): void => {
    for (; announcements > 0 && !stream.destroyed; announcements -= 1) stream.emit('readable')
  }

  const next = (size: number | undefined): Buffer | undefined => {
    const chunk: unknown = rest ?? read(size)
    if (!Buffer.isBuffer(chunk)) return undefined
    if (rest === undefined) lastReadAtMs = Date.now()
    rest = undefined
    return chunk
  }

  stream.read = (size?: number): Buffer | null => {
    if (holds > 0) return null
    if (end !== undefined) {
      settled()
      return null
    }
    const chunk = next(size)
    if (chunk === undefined) return null
    const taken = intake.take(chunk)
    const { packets, fault } = taken
    if (taken.isEnd) end = () => undefined
    if (taken.isConnect) {
      rest = taken.rest
      holds += 1
    }
    if (packets.length === 0) {
      if (fault !== undefined) end = () => fail(fault)
      settled()
      return null
    }
    if (fault !== undefined) end = () => fail(fault)
    silence?.refresh()
    readBytes = Math.max(packets.length, chunk.length)
    return packets
  }
  stream.once('close', () => clearTimeout(silence))

  return {
    hold,
    settled,
    refuse(fault) {
      isRefused = true
      end = () => fail(fault)
    },
    get isRefused() {
      return isRefused
    },
    goOn() {
      if (isAnswered) return
      isAnswered = true
      hold(false)
    },
    readAhead() {
      announcements += 1
      // Not now: Aedes is in the middle of parsing what it read.
      if (announcements === 1) queueMicrotask(announce)
    },
    takeReadBytes() {
      const bytes = readBytes
      readBytes = 0
      return bytes
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
