import type { Logger } from '../log/logger.js'
import { createRateLimit } from '../log/rate-limit.js'
import type { Omitted, RejectReason } from './report.js'

/** Says in the log what became of messages that were not, or not wholly, stored. */
export interface MessageLog {
  ended(deviceName: string, how: 'stored' | 'spooled' | 'dropped' | RejectReason): void
  omitted(deviceName: string, omissions: readonly Omitted[]): void
  /** A fault of ours. */
  failed(deviceName: string, error: unknown): void
}

const MINUTE_MS = 60_000

/** Enough for the devices of a large fleet that go wrong in the same minute. */
const MAX_KEYS = 10_000

/** A name from a topic can be as long as a topic. */
const MAX_LOGGED_NAME = 64

/** Warns at most once a minute for each device and reason, and says how many it kept to itself. */
export function createMessageLog(log: Logger): MessageLog {
  const limit = createRateLimit(MINUTE_MS, MAX_KEYS)

  const warn = (deviceName: string, reason: string, text: string, detail: object): void => {
    const device = deviceName.slice(0, MAX_LOGGED_NAME)
    const suppressed = limit.admit(`${device}\n${reason}`)
    if (suppressed === undefined) return
    log.warn({ device, reason, ...detail, ...(suppressed > 0 ? { suppressed } : {}) }, text)
  }

  return {
    ended(deviceName, how) {
      if (how === 'stored' || how === 'spooled') return
      const text =
        how === 'dropped' ? 'a QoS 0 message was dropped: the queue is full' : 'a message was rejected'
      warn(deviceName, how, text, {})
    },
    failed(deviceName, error) {
      if (limit.admit('failed') === undefined) return
      const what = error instanceof Error ? error.stack : String(error)
      const device = deviceName.slice(0, MAX_LOGGED_NAME)
      log.error({ device, error: what }, 'a message could not be handled; please report this')
    },
    omitted(deviceName, omissions) {
      for (const { what, name } of omissions) {
        warn(deviceName, what, 'a part of a message was left out', { part: name })
      }
    },
  }
}
