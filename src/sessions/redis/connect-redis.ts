import { Redis } from 'ioredis'
import { ConfigError } from '../../config/config-error.js'
import { describeRedis } from '../../config/session-settings.js'
import { createRateLimit } from '../../log/rate-limit.js'
import { inspectRedis } from './inspect-redis.js'

/** Connections to one server: for what is stored, for what others publish, and for what is published. */
export interface RedisConnections {
  readonly store: Redis
  readonly subscriber: Redis
  readonly publisher: Redis
  readonly all: readonly Redis[]
}

/** Where it is told what is wrong. */
export interface RedisLog {
  warn(text: string): void
  error(facts: object, text: string): void
}

const MINUTE_MS = 60_000

/** A server that is reading its file is asked again after so long; by default up to 10 s. */
const ASK_LOADING_AFTER_MS = 500

/** One that is reading a large file takes longer. */
const ANSWERS_WITHIN_MS = 10_000

/** Answers with which trying again is of no use, and what to do. */
const REFUSALS: readonly (readonly [RegExp, string])[] = [
  [/WRONGPASS|NOAUTH|NOPERM|invalid password/, 'refuses the login; check its user and password'],
  [/Protocol error/, 'is no Redis; check its host and port'],
  [/DB index is out of range/, 'has no such database; its number is the last part of the address'],
]

/**
 * Connects, and waits until the server answers and may be used; warns of what may lose sessions.
 *
 * @throws ConfigError CONFIG_VALUE when the server refuses the login, is no Redis, or is one that cannot be used.
 */
export async function connectRedis(
  url: string,
  log: RedisLog,
  signal: AbortSignal,
): Promise<RedisConnections> {
  const [store, subscriber, publisher] = [connect(url), connect(url), connect(url)]
  const all = [store, subscriber, publisher]
  const waiting = setTimeout(() => {
    log.error({ redis: describeRedis(url) }, 'Redis does not answer yet; waiting for it')
  }, ANSWERS_WITHIN_MS)
  const disconnect = (): void => {
    for (const connection of all) connection.disconnect()
  }
  try {
    await Promise.race([
      Promise.all(all.map((connection) => untilReady(connection, signal))),
      untilRefused(all, url, log),
    ])
    const { fault, warnings } = await inspectRedis(store)
    if (fault !== undefined) throw wrong(url, fault)
    for (const warning of warnings) log.warn(`${describeRedis(url)} ${warning}`)
  } catch (error) {
    disconnect()
    throw error
  } finally {
    clearTimeout(waiting)
  }
  return { store, subscriber, publisher, all }
}

/**
 * Whether a server would start with this Redis, and what it would warn of.
 *
 * @throws ConfigError, see `connectRedis`.
 */
export async function checkRedis(url: string, signal: AbortSignal): Promise<readonly string[]> {
  const warnings: string[] = []
  const log = { warn: (text: string) => void warnings.push(text), error: () => undefined }
  const { all } = await connectRedis(url, log, signal)
  for (const connection of all) connection.disconnect()
  return warnings
}

function connect(url: string): Redis {
  return new Redis(url, {
    // With ioredis's default of 20 retries, what is published while Redis is away is acknowledged and lost.
    maxRetriesPerRequest: null,
    maxLoadingRetryTime: ASK_LOADING_AFTER_MS,
    // Behind the address another server may have taken over.
    reconnectOnError: ({ message }) => (message.startsWith('READONLY') ? 2 : false),
  })
}

/** Listens for errors as long as the connections live: an error that nobody listens to ends the process. */
function untilRefused(
  connections: readonly Redis[],
  url: string,
  log: Pick<RedisLog, 'error'>,
): Promise<never> {
  const limit = createRateLimit(MINUTE_MS, 1)
  const refused = new Promise<never>((_resolve, reject) => {
    for (const connection of connections) {
      connection.on('error', ({ message }: Error) => {
        const [, what] = REFUSALS.find(([pattern]) => pattern.test(message)) ?? []
        if (what !== undefined) reject(wrong(url, `${what} (${message})`))
        if (limit.admit('error') === undefined) return
        log.error({ redis: describeRedis(url), error: message }, 'Redis cannot be reached; trying again')
      })
    }
  })
  refused.catch(() => undefined) // when it is refused later, it is in the log
  return refused
}

function wrong(url: string, what: string): ConfigError {
  const message = `REDIS_URL: ${describeRedis(url)} ${what}`.replaceAll(/\s*[\r\n]+\s*/g, ' ')
  return new ConfigError('CONFIG_VALUE', message)
}

/** Errors meanwhile are each an attempt that failed, and ioredis makes the next one by itself. */
function untilReady(connection: Redis, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted()
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
    if (connection.status === 'ready') resolve()
    else connection.once('ready', () => resolve())
  })
}
