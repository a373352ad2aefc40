import type { Duplex } from 'node:stream'
import { createGathering, MAX_GATHERED_BYTES } from './gathering.js'

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
  const write = stream.write.bind(stream)
  let isFull = false
  let isHeld = false
  let answerBytes = 0
  let timer: NodeJS.Timeout | undefined

  const note = (isTaken: boolean): void => {
    if (isTaken || isFull || stream.destroyed) return // Aedes also answers those who have gone
    isFull = true
    timer = setTimeout(options.stalled, options.stalledAfterMs).unref()
  }
  const answer = (args: readonly unknown[]): boolean => {
    const wasFull = isFull
    const isTaken: unknown = Reflect.apply(write, stream, args)
    note(isTaken === true)
    const [bytes] = args
    if (wasFull && (typeof bytes === 'string' || bytes instanceof Uint8Array)) answerBytes += bytes.length
    if (!isHeld && answerBytes > MAX_ANSWER_BYTES) {
      isHeld = true
      options.hold(true)
    }
    return isTaken === true
  }
  // What comes while it is full already are answers alone: messages wait.
  const { flush, ...gathering } = createGathering(options.join, (bytes) => {
    if (stream.writable) answer([bytes])
  })
  stream.write = (...args: unknown[]): boolean => {
    const [bytes] = args
    // Aedes writes an answer in three parts.
    if (!isFull && args.length === 1 && Buffer.isBuffer(bytes) && bytes.length < MAX_GATHERED_BYTES) {
      gathering.write(bytes)
      return true
    }
    flush()
    return answer(args)
  }
  const end = stream.end.bind(stream)
  stream.end = (...args: unknown[]): Duplex => {
    flush()
    Reflect.apply(end, stream, args)
    return stream
  }
  stream.on('drain', () => {
    clearTimeout(timer)
    isFull = false
    answerBytes = 0
    options.drained()
    if (!isHeld) return
    isHeld = false
    options.hold(false)
  })
  stream.once('close', () => clearTimeout(timer))

  return {
    get isFull() {
      return isFull
    },
    ...gathering,
  }
}
