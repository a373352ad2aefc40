import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from '../log/logger.js'
import { createRateLimit } from '../log/rate-limit.js'

/** Posts JSON to a URL. */
export interface Webhook {
  /** Queues a text; the oldest gives way where there is no room. */
  post(json: string): void
  /** Gives what is queued a moment, and then gives it up. */
  stop(): Promise<void>
}

/** Where, and how patiently. */
export interface WebhookOptions {
  readonly url: string
  readonly log: Logger
  readonly limits?: WebhookLimits
}

/** Bounds of a webhook. */
export interface WebhookLimits {
  readonly maxQueued: number
  /** How long one attempt may take. */
  readonly timeoutMs: number
  /** The pause after a first attempt that failed; each further one is twice as long, up to the longest. */
  readonly pauseMs: number
  readonly longestPauseMs: number
  readonly maxAttempts: number
  /** What a stop waits for. */
  readonly finishWithinMs: number
}

/** A receiver that is restarted, or away for 25 minutes, misses nothing: 1 s, 2 s, … 60 s between attempts. */
const LIMITS: WebhookLimits = {
  maxQueued: 1000,
  timeoutMs: 10_000,
  pauseMs: 1000,
  longestPauseMs: 60_000,
  maxAttempts: 30,
  finishWithinMs: 1000,
}

const MINUTE_MS = 60_000

/** Failures of an attempt, and whether another one may do better. */
interface Failure {
  readonly error: string
  readonly isFinal: boolean
}

/**
 * Posts one after the other, so that an end never overtakes its beginning. What fails for the network, takes too
 * long, or is answered 408, 429 or 5xx is tried again; any other answer but 2xx is final (RFC 9110, section 15).
 */
export function createWebhook({ url, log, limits = LIMITS }: WebhookOptions): Webhook {
  const queue: string[] = []
  const stopping = new AbortController()
  const limit = createRateLimit(MINUTE_MS, 10)
  let working: Promise<void> | undefined

  const warn = (detail: object, text: string): void => {
    const missed = limit.admit(text)
    if (missed !== undefined) log.warn({ ...detail, ...(missed > 0 ? { suppressed: missed } : {}) }, text)
  }

  const send = async (json: string): Promise<void> => {
    let pauseMs = limits.pauseMs
    for (let attempt = 1; !stopping.signal.aborted; attempt += 1) {
      const failure = await tryPost(url, json, limits.timeoutMs, stopping.signal)
      if (failure === undefined || stopping.signal.aborted) return
      if (failure.isFinal || attempt >= limits.maxAttempts) {
        warn({ error: failure.error, attempts: attempt }, 'an alert was not taken by ALERT_WEBHOOK_URL')
        return
      }
      warn({ error: failure.error }, 'ALERT_WEBHOOK_URL does not take an alert; trying again')
      await delay(pauseMs, undefined, { signal: stopping.signal }).catch(() => undefined)
      pauseMs = Math.min(pauseMs * 2, limits.longestPauseMs)
    }
  }

  const work = async (): Promise<void> => {
    for (let json = queue.shift(); json !== undefined; json = queue.shift()) await send(json)
    working = undefined
  }

  return {
    post(json) {
      if (stopping.signal.aborted) return
      if (queue.length >= limits.maxQueued) {
        queue.shift()
        warn({ queued: queue.length }, 'an alert for ALERT_WEBHOOK_URL was dropped: too many wait')
      }
      queue.push(json)
      working ??= work()
    },
    async stop() {
      const finished = new AbortController()
      const tooLate = delay(limits.finishWithinMs, undefined, { signal: finished.signal }).catch(
        () => undefined,
      )
      await Promise.race([working, tooLate])
      finished.abort()
      stopping.abort()
      if (queue.length > 0) log.warn({ alerts: queue.length }, 'alerts were not posted before the stop')
      queue.length = 0
      await working
    },
  }
}

async function tryPost(
  url: string,
  body: string,
  timeoutMs: number,
  stopping: AbortSignal,
): Promise<Failure | undefined> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
      redirect: 'manual', // a redirected POST would become a GET
      signal: AbortSignal.any([AbortSignal.timeout(timeoutMs), stopping]),
    })
    await response.body?.cancel() // of any length, and of no interest
    if (response.ok) return undefined
    const { status } = response
    return { error: `HTTP ${status}`, isFinal: status !== 408 && status !== 429 && status < 500 }
  } catch (error) {
    return { error: describe(error), isFinal: false }
  }
}

/** `fetch failed` alone says nothing; the URL, which may hold a secret, is in neither. */
function describe(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  if (!(cause instanceof Error)) return 'unknown'
  return 'code' in cause && typeof cause.code === 'string' ? cause.code : cause.name
}
