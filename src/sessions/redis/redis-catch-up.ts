import type { Redis } from 'ioredis'
import type { Logger } from '../../log/logger.js'
import type { RedisConnections } from './connect-redis.js'

/** Whether this instance knows all that the others have changed. */
export interface CatchUp {
  /** Resolves when it does: while Redis is away, and until it is caught up with afterwards, it does not. */
  caughtUp(): Promise<void>
  readonly isCaughtUp: boolean
  /** For how long it has, in ms. */
  forMs(): number
  /** Does so for the first time. */
  start(): Promise<void>
  stop(): void
}

const RETRY_AFTER_MS = 1000

/** A connection whose other end is gone without a word looks well for a quarter of an hour. */
const ASK_EVERY_MS = 5000
const ANSWER_WITHIN_MS = 10_000

/**
 * Takes the steps of `steps` at the start, and again when a connection was interrupted: what others have
 * published meanwhile has not come, and what runs out in Redis may have run out.
 */
export function createCatchUp(
  { all }: RedisConnections,
  steps: () => Promise<void>,
  log: Pick<Logger, 'error'>,
): CatchUp {
  let waiters: (() => void)[] = []
  let interruptions = 0
  let sinceMs: number | undefined
  let retry: NodeJS.Timeout | undefined
  let isStopped = false

  const interrupted = (): void => {
    interruptions += 1
    sinceMs = undefined
  }
  const attempt = async (): Promise<void> => {
    clearTimeout(retry)
    if (isStopped || !all.every(({ status }) => status === 'ready')) return
    const before = interruptions
    try {
      await steps()
    } catch (error) {
      if (isStopped || before !== interruptions) return
      log.error({ error: String(error) }, 'Redis answers with an error; trying again')
      retry = setTimeout(attempt, RETRY_AFTER_MS).unref()
      return
    }
    if (before !== interruptions) return // the next connection begins anew
    sinceMs ??= performance.now()
    for (const resolve of waiters.splice(0)) resolve()
  }
  const asking = setInterval(() => {
    for (const connection of all) if (connection.status === 'ready') expectAnswer(connection)
  }, ASK_EVERY_MS)
  for (const connection of all) {
    connection.on('close', interrupted)
    connection.on('ready', attempt)
  }

  return {
    caughtUp: () =>
      sinceMs !== undefined
        ? Promise.resolve()
        : new Promise((resolve) => {
            waiters.push(resolve)
          }),
    get isCaughtUp() {
      return sinceMs !== undefined
    },
    forMs: () => (sinceMs === undefined ? 0 : performance.now() - sinceMs),
    start: attempt,
    stop() {
      isStopped = true
      clearTimeout(retry)
      clearInterval(asking)
      waiters = []
    },
  }
}

/** Ends a connection that does not answer; ioredis makes another, and sends what had no answer again. */
function expectAnswer(connection: Redis): void {
  const { stream } = connection
  const tooLate = setTimeout(() => stream.destroy(new Error('no answer')), ANSWER_WITHIN_MS)
  const end = (): void => clearTimeout(tooLate)
  connection.ping().then(end, end)
}
