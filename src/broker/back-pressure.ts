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

/** So much is gathered for one write: beyond that the copy costs as much as the call. */
const MAX_GATHERED_BYTES = 16_384

/**
 * Replaces `stream.write`, by which Aedes sends its answers whether they are taken or not: a client that goes on
 * asking and never reads would fill the memory with them.
 */
export function createBackPressure(stream: Duplex, options: BackPressureOptions): BackPressure {
  const write = stream.write.bind(stream)
  let isFull = false
  let isScheduled = false
  let acknowledged: number[] = []
  let gathered: Buffer[] = []
  let gatheredBytes = 0
  let isHeld = false
  let answerBytes = 0
  let timer: NodeJS.Timeout | undefined

  const note = (isTaken: boolean): void => {
    if (isTaken || isFull || stream.destroyed) return // Aedes also answers those who have gone
    isFull = true
    timer = setTimeout(options.stalled, options.stalledAfterMs).unref()
  }
  const schedule = (): void => {
    if (isScheduled) return
    isScheduled = true
    process.nextTick(() => {
      isScheduled = false
      flush()
    })
  }
  const flush = (): void => {
    if (acknowledged.length > 0) {
      const pubacks = encodePubacks(acknowledged)
      acknowledged = []
      if (gathered.length > 0) gathered.unshift(pubacks)
      else if (stream.writable) answer([pubacks])
    }
    if (gathered.length === 0) return
    const bytes = options.join(gathered)
    gathered = []
    gatheredBytes = 0
    if (stream.writable) note(write(bytes))
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
    write(bytes) {
      schedule()
      gathered.push(bytes)
      gatheredBytes += bytes.length
      if (gatheredBytes >= MAX_GATHERED_BYTES) flush()
    },
    acknowledge(packetIdentifier) {
      schedule()
      acknowledged.push(packetIdentifier)
    },
  }
}
