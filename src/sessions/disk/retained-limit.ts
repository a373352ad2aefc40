import type { Logger } from '../../log/logger.js'
import type { Tally } from '../../metrics/tally.js'
import { createRetainedRefusal } from '../retained-refusal.js'

/** Keeps account of the retained messages. */
export interface RetainedLimit {
  /** How many are kept. */
  readonly messages: number
  /** Their payloads. */
  readonly payloadBytes: number
  /**
   * Makes room for a retained message, or for none where `bytes` is 0. `keep`: it is to be kept; `clear`: the
   * one before is to go, and this not to be kept; `ignore`: nothing changes.
   */
  admit(topic: string, bytes: number, version: number): 'keep' | 'clear' | 'ignore'
  /** Whether no later message of that topic was admitted. */
  isNewest(topic: string, version: number): boolean
}

/** The bounds, and where it is told that they are met. */
export interface RetainedLimitOptions {
  readonly maxMessages: number
  readonly maxBytes: number
  readonly tally: Pick<Tally, 'retainedRefused'>
  readonly log: Logger
}

/** Counts topic and payload. Beyond the bounds a message is not kept; one that it replaces is kept no longer. */
export function createRetainedLimit(options: RetainedLimitOptions): RetainedLimit {
  const { maxMessages, maxBytes, tally, log } = options
  const kept = new Map<
    string,
    { readonly bytes: number; readonly payloadBytes: number; readonly version: number }
  >()
  const refuse = createRetainedRefusal(tally, log)
  let total = 0
  let payloadBytes = 0

  return {
    get messages() {
      return kept.size
    },
    get payloadBytes() {
      return payloadBytes
    },
    admit(topic, bytes, version) {
      const before = kept.get(topic)
      total -= before?.bytes ?? 0
      payloadBytes -= before?.payloadBytes ?? 0
      kept.delete(topic)
      if (bytes === 0) return before === undefined ? 'ignore' : 'clear'
      const size = Buffer.byteLength(topic) + bytes
      if (kept.size < maxMessages && total + size <= maxBytes) {
        kept.set(topic, { bytes: size, payloadBytes: bytes, version })
        total += size
        payloadBytes += bytes
        return 'keep'
      }
      refuse(topic)
      return before === undefined ? 'ignore' : 'clear'
    },
    isNewest: (topic, version) => (kept.get(topic)?.version ?? version) <= version,
  }
}
