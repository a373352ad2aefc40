import type { Duplex } from 'node:stream'
import { encodePubacks } from '../mqtt/encode-packet.js'

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
  let isCorked = false
  let acknowledged: number[] = []
  let isHeld = false
  let answerBytes = 0
  let timer: NodeJS.Timeout | undefined

  const note = (isTaken: boolean): void => {
    if (isTaken || isFull || stream.destroyed) return // Aedes also answers those who have gone
    isFull = true
    timer = setTimeout(options.stalled, options.stalledAfterMs).unref()
  }
  const cork = (): void => {
    if (isCorked) return
    isCorked = true
    stream.cork()
    process.nextTick(() => {
      flush()
      isCorked = false
      stream.uncork()
    })
  }
  const flush = (): void => {
    if (acknowledged.length === 0) return
    const pubacks = encodePubacks(acknowledged)
    acknowledged = []
    if (stream.writable) answer([pubacks])
  }
  const answer = (args: readonly unknown[]): boolean => {
    const isTaken: unknown = Reflect.apply(write, stream, args)
    note(isTaken === true)
    const [bytes] = args
    if (isFull && (typeof bytes === 'string' || bytes instanceof Uint8Array)) answerBytes += bytes.length
    if (!isHeld && answerBytes > MAX_ANSWER_BYTES) {
      isHeld = true
      options.hold(true)
    }
    return isTaken === true
  }
  stream.write = (...args: unknown[]): boolean => {
    flush()
    return answer(args)
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
    write(bytes) {
      cork()
      flush()
      note(write(bytes))
    },
    acknowledge(packetIdentifier) {
      cork()
      acknowledged.push(packetIdentifier)
    },
  }
}
