import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { PacketFault } from '../mqtt/packet-fault.js'
import { createPacketIntake, type PacketIntake } from '../mqtt/packet-intake.js'

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
  /** From now on `taker` gets what is read of a socket as it comes, unless something is before it. */
  giveAtOnce(taker: InletTaker): void
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

/** Who takes whole packets at once. */
export interface InletTaker {
  /** Packets that it is not done with, which keep it from taking more. */
  readonly open: number
  read(packets: Buffer): void
}

/** How an inlet is to work. */
export interface InletOptions {
  /** The largest packet let through, fixed header included. */
  readonly maxPacketBytes: number
  /** Whether packets that were read have not had their answers. */
  readonly isBusy: () => boolean
  /** Told before the stream is destroyed. */
  readonly onFault: (fault: PacketFault) => void
  /** Told what the broker gets. */
  readonly count: (packets: Buffer) => void
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
 *
 * The way through the stream's own buffer, 'readable' and back costs 5 of the 24 µs in which Node alone reads a message
 * and answers it. So where nobody has to wait, `stream.push`, which gets the bytes, gives them on.
 */
export function createInlet(stream: Duplex, options: InletOptions): Inlet {
  return new StreamInlet(stream, options)
}

const nothingMore = (): void => undefined

class StreamInlet implements Inlet {
  readonly #stream: Duplex
  readonly #options: InletOptions
  readonly #intake: PacketIntake
  readonly #read: Duplex['read']
  #holds = 0
  #announcements = 0
  #silenceLimitMs = 0
  #lastReadAtMs = 0
  #readBytes = 0
  #silence: NodeJS.Timeout | undefined
  #isAnswered = false
  #isRefused = false
  /** What was read behind the CONNECT. */
  #rest: Buffer | undefined
  /** What is to be done instead of reading on. */
  #end: (() => void) | undefined

  constructor(stream: Duplex, options: InletOptions) {
    const { maxPacketBytes } = options
    this.#stream = stream
    this.#options = options
    this.#intake = createPacketIntake({ maxPacketBytes, maxConnectBytes: MAX_CONNECT_BYTES })
    this.#read = stream.read
    stream.read = (size?: number): Buffer | null => this.#take(size)
    stream.once('close', () => clearTimeout(this.#silence))
  }

  get isRefused(): boolean {
    return this.#isRefused
  }

  get silenceLimitMs(): number {
    return this.#silenceLimitMs
  }

  get lastReadAtMs(): number {
    return this.#lastReadAtMs
  }

  hold(isHeld: boolean): void {
    this.#holds += isHeld ? 1 : -1
    if (this.#holds > 0) return
    this.#silence?.refresh()
    // What came meanwhile was announced already; Aedes reads it at the next announcement.
    if (!this.#stream.destroyed) this.#stream.emit('readable')
  }

  goOn(): void {
    if (this.#isAnswered) return
    this.#isAnswered = true
    this.hold(false)
  }

  refuse(fault: PacketFault): void {
    this.#isRefused = true
    this.#end = () => this.#fail(fault)
  }

  settled(): void {
    // Answers that were written in this turn leave before the next.
    if (this.#end !== undefined && !this.#options.isBusy()) setImmediate(() => this.#endNow())
  }

  giveAtOnce(taker: InletTaker): void {
    const stream = this.#stream
    if (!(stream instanceof Socket)) return // what other streams do about `push` is their own
    const { push } = stream
    stream.push = (chunk: unknown): boolean => {
      if (taker.open > 0 || !this.#isClear || !Buffer.isBuffer(chunk)) {
        return Reflect.apply(push, stream, [chunk])
      }
      this.#lastReadAtMs = Date.now()
      const packets = this.#takeIn(chunk)
      if (packets !== null) taker.read(packets)
      return true
    }
  }

  readAhead(): void {
    this.#announcements += 1
    // Not now: Aedes is in the middle of parsing what it read.
    if (this.#announcements === 1) queueMicrotask(() => this.#announce())
  }

  takeReadBytes(): number {
    const bytes = this.#readBytes
    this.#readBytes = 0
    return bytes
  }

  setSilenceLimit(limitMs: number): void {
    this.#silenceLimitMs = limitMs
    if (limitMs === 0 || this.#stream.destroyed) return
    this.#silence = setTimeout(() => this.#failUnlessHeard(), limitMs)
  }

  /** Whether what comes now is the next to be read. */
  get #isClear(): boolean {
    const isHeld = this.#holds > 0 || this.#end !== undefined || this.#rest !== undefined
    return !isHeld && this.#stream.readableLength === 0
  }

  #take(size: number | undefined): Buffer | null {
    if (this.#holds > 0) return null
    if (this.#end !== undefined) {
      this.settled()
      return null
    }
    const chunk = this.#next(size)
    return chunk === undefined ? null : this.#takeIn(chunk)
  }

  #takeIn(chunk: Buffer): Buffer | null {
    const { packets, fault, isEnd, isConnect, rest } = this.#intake.take(chunk)
    if (isEnd) this.#end = nothingMore
    if (isConnect) {
      this.#rest = rest
      this.#holds += 1
    }
    if (fault !== undefined) this.#end = () => this.#fail(fault)
    if (packets.length === 0) {
      this.settled()
      return null
    }
    this.#silence?.refresh()
    this.#readBytes = Math.max(packets.length, chunk.length)
    this.#options.count(packets)
    return packets
  }

  #next(size: number | undefined): Buffer | undefined {
    const chunk: unknown = this.#rest ?? Reflect.apply(this.#read, this.#stream, [size])
    if (!Buffer.isBuffer(chunk)) return undefined
    if (this.#rest === undefined) this.#lastReadAtMs = Date.now()
    this.#rest = undefined
    return chunk
  }

  #announce(): void {
    for (; this.#announcements > 0 && !this.#stream.destroyed; this.#announcements -= 1) {
      this.#stream.emit('readable')
    }
  }

  /** What came while this process stood still is read after the timers of that time. */
  #failUnlessHeard(): void {
    const beforeMs = this.#lastReadAtMs
    setImmediate(() => {
      const isHeard = this.#holds > 0 || this.#stream.readableLength > 0 || this.#lastReadAtMs !== beforeMs
      if (isHeard) this.#silence?.refresh()
      else if (!this.#stream.destroyed) this.#fail(SILENCE)
    })
  }

  #fail(fault: PacketFault): void {
    const stream = this.#stream
    this.#end = nothingMore
    this.#options.onFault(fault)
    if (fault.returnCode === undefined) stream.destroy()
    else stream.end(Buffer.of(0x20, 2, 0, fault.returnCode), () => stream.destroy())
  }

  #endNow(): void {
    if (!this.#stream.destroyed) this.#end?.()
  }
}
