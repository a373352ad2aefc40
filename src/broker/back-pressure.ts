import type { Duplex } from 'node:stream'
import { createGathering, type Gathering, MAX_GATHERED_BYTES } from './gathering.js'

/** How a connection takes what is written to it. */
export interface BackPressure {
  /** Whether it takes nothing more for now. */
  readonly isFull: boolean
  /** Writes a message; what is written in one turn goes to the socket together. */
  write(bytes: Buffer): void
  /** Writes a PUBACK; those of one turn are one write, which comes before any other. */
  acknowledge(packetIdentifier: number): void
}

/** What is to be done about it. */
export interface BackPressureOptions {
  /** Makes one buffer of several. */
  readonly join: (buffers: readonly Buffer[]) => Buffer
  /** Told what is written. */
  readonly count: (bytes: Uint8Array) => void
  /** How long the connection may take nothing. */
  readonly stalledAfterMs: number
  /** Stops reading, or goes on. */
  readonly hold: (isHeld: boolean) => void
  /** Called when it takes more again. */
  readonly drained: () => void
  /** Called when it has taken nothing for so long. */
  readonly stalled: () => void
}

/** Answers that may wait for a client that does not read them: some 4,000. Beyond that it is not read either. */
const MAX_ANSWER_BYTES = 16_384

/**
 * Replaces `stream.write`, by which Aedes sends its answers whether they are taken or not: a client that goes on
 * asking and never reads would fill the memory with them.
 */
export function createBackPressure(stream: Duplex, options: BackPressureOptions): BackPressure {
  return new StreamPressure(stream, options)
}

class StreamPressure implements BackPressure {
  readonly #stream: Duplex
  readonly #options: BackPressureOptions
  readonly #write: Duplex['write']
  readonly #gathering: Gathering
  #isFull = false
  #isHeld = false
  #answerBytes = 0
  #timer: NodeJS.Timeout | undefined

  constructor(stream: Duplex, options: BackPressureOptions) {
    this.#stream = stream
    this.#options = options
    this.#write = stream.write
    // What comes while it is full already are answers alone: messages wait.
    this.#gathering = createGathering(options.join, (bytes) => {
      if (stream.writable) this.#send(bytes, [bytes])
    })
    stream.write = (...args: unknown[]): boolean => this.#take(args)
    const { end, destroy } = stream
    stream.end = (...args: unknown[]): Duplex => {
      this.#gathering.flush()
      Reflect.apply(end, stream, args)
      return stream
    }
    stream.destroy = (...args: unknown[]): Duplex => {
      this.#gathering.flush()
      Reflect.apply(destroy, stream, args)
      return stream
    }
    stream.on('drain', () => this.#drained())
    stream.once('close', () => clearTimeout(this.#timer))
  }

  get isFull(): boolean {
    return this.#isFull
  }

  write(bytes: Buffer): void {
    this.#gathering.write(bytes)
  }

  acknowledge(packetIdentifier: number): void {
    this.#gathering.acknowledge(packetIdentifier)
  }

  #take(args: readonly unknown[]): boolean {
    const [bytes] = args
    // Aedes writes an answer in three parts, and those of QoS 2 each in a `setImmediate` of its own.
    if (!this.#isFull && args.length === 1 && Buffer.isBuffer(bytes) && bytes.length < MAX_GATHERED_BYTES) {
      this.#gathering.writeLater(bytes)
      return true
    }
    this.#gathering.flush()
    return this.#send(bytes, args)
  }

  #send(bytes: unknown, args: readonly unknown[]): boolean {
    const wasFull = this.#isFull
    const isTaken = Reflect.apply(this.#write, this.#stream, args) === true
    this.#note(isTaken)
    if (bytes instanceof Uint8Array) this.#options.count(bytes)
    if (wasFull && (typeof bytes === 'string' || bytes instanceof Uint8Array)) {
      this.#answerBytes += bytes.length
    }
    if (!this.#isHeld && this.#answerBytes > MAX_ANSWER_BYTES) {
      this.#isHeld = true
      this.#options.hold(true)
    }
    return isTaken
  }

  #note(isTaken: boolean): void {
    if (isTaken || this.#isFull || this.#stream.destroyed) return // Aedes also answers those who have gone
    this.#isFull = true
    this.#timer = setTimeout(this.#options.stalled, this.#options.stalledAfterMs).unref()
  }

  #drained(): void {
    clearTimeout(this.#timer)
    this.#isFull = false
    this.#answerBytes = 0
    this.#options.drained()
    if (!this.#isHeld) return
    this.#isHeld = false
    this.#options.hold(false)
  }
}
