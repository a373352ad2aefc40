import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from './log/logger.js'

/** What has been started, to be stopped in reverse order. */
export interface Lifecycle {
  /** Aborted when the stop begins: whoever waits is to give up. */
  readonly signal: AbortSignal
  /** Registers what has just been started; throws when the stop has begun, having it stopped as well. */
  started(name: string, stop: () => unknown, withinMs?: number): void
  /**
   * Stops everything, once, within 8 s. A part that fails or takes too long is named in the log and left
   * behind.
   */
  stop(): Promise<void>
}

/** The server has promised to be gone after 10 s. */
const STOP_ALL_WITHIN_MS = 8000

/** Every part is at least asked to stop. */
const LEAST_MS = 50

/** Enough to close a socket or a file; parts that finish work bring their own. */
const STOP_WITHIN_MS = 1500

/** Keeps the order of stopping the exact reverse of the order of starting. */
export function createLifecycle(log: Logger): Lifecycle {
  const stopping = new AbortController()
  const parts: { readonly name: string; readonly stop: () => unknown; readonly withinMs: number }[] = []
  let stopped: Promise<void> | undefined

  const stopAll = async (): Promise<void> => {
    stopping.abort(new Error('the server is being stopped'))
    const deadlineMs = performance.now() + STOP_ALL_WITHIN_MS
    for (let part = parts.pop(); part !== undefined; part = parts.pop()) {
      const { name, stop } = part
      const withinMs = Math.max(LEAST_MS, Math.min(part.withinMs, deadlineMs - performance.now()))
      const timer = new AbortController()
      const tooLate = delay(withinMs, 'too late', { signal: timer.signal }).catch(() => undefined)
      try {
        const outcome = await Promise.race([Promise.resolve(stop()).then(() => 'stopped'), tooLate])
        if (outcome === 'too late')
          log.warn({ part: name, withinMs: Math.round(withinMs) }, 'a part did not stop in time')
      } catch (error) {
        log.warn({ part: name, error: String(error) }, 'a part did not stop cleanly')
      } finally {
        timer.abort()
      }
    }
  }

  return {
    signal: stopping.signal,
    started(name, stop, withinMs = STOP_WITHIN_MS) {
      parts.push({ name, stop, withinMs })
      stopping.signal.throwIfAborted()
    },
    stop() {
      stopped ??= stopAll()
      return stopped
    },
  }
}
