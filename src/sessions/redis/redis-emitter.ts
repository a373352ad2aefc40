import { randomBytes } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Redis } from 'ioredis'
import MQEmitterRedis from 'mqemitter-redis/mqemitter-redis.js'
import type { RedisConnections } from './connect-redis.js'
import { escapeGlob } from './redis-retained.js'

/** Where an instance's messages begin: by this it knows its own. */
const ORIGIN_BYTES = 16

/** A name of a subscription in Redis is a pattern or, with the other letter before it, a channel. */
const PATTERN = 'p'
const CHANNEL = 'c'

type Received = (...received: (string | Buffer)[]) => void

/**
 * The traffic between instances. What this instance publishes reaches its own subscribers when Redis has it, and
 * not by way of Redis: a connection that is not back yet would miss it.
 */
export class SharedEmitter extends MQEmitterRedis {
  readonly #subscriptions: Subscriptions
  readonly #left: () => boolean

  constructor({ store, subscriber, publisher }: Omit<RedisConnections, 'all'>) {
    const origin = randomBytes(ORIGIN_BYTES)
    const subscriptions = createSubscriptions(subscriber, origin)
    let hasLeft = false
    super({
      subConn: subscriptions,
      pubConn: {
        on: (event, listener) => publisher.on(event, listener),
        quit() {
          hasLeft = true
          void queued(store).then(() => leave(publisher))
        },
        async publish(channel, packed) {
          await publisher.publish(channel, Buffer.concat([origin, packed]))
          subscriptions.receive(channel, packed)
        },
      },
      concurrency: 0, // as Aedes's own emitter has it here
      matchEmptyLevels: true,
    })
    this.#subscriptions = subscriptions
    this.#left = () => hasLeft
  }

  /** `done` is called when the subscription is in force, also for one that is not the first of its filter. */
  override on(topic: string, listener: Parameters<MQEmitterRedis['on']>[1], done?: () => void): this {
    return super.on(topic, listener, () => {
      if (done !== undefined) void this.#subscriptions.active(this._subTopic(topic)).then(done)
    })
  }

  /** In a pattern of Redis the characters of a filter stand for themselves, but for its wildcards. */
  override _subTopic(filter: string): string {
    if (!/[+#]/.test(filter)) return CHANNEL + filter
    const [, before = '', some] = /^(.*?)(\/?#)?$/s.exec(filter) ?? []
    const pattern = before.split('+').map(escapeGlob).join('*')
    return PATTERN + pattern + (some === undefined ? '' : '*') // a/# matches a as well [MQTT-4.7.1-2]
  }

  /** Whether it is closed, or about to be: what is published then reaches nobody. */
  get hasLeft(): boolean {
    return this.#left()
  }

  /** Resolves when all subscriptions are in force again after an interruption. */
  async resume(): Promise<void> {
    await this.#subscriptions.resume()
  }

  /** Emits in this process alone. */
  emitHere(message: object): void {
    this._emit(message)
  }
}

type Subscriptions = ReturnType<typeof createSubscriptions>

/** Subscribes on `redis` under the names of `_subTopic`, and passes on what others have published. */
function createSubscriptions(redis: Redis, origin: Buffer) {
  const active = new Map<string, Promise<void>>()
  let receive: Received = () => undefined

  const begin = (name: string, done?: () => void): void => {
    const target = name.slice(1)
    const isPattern = name.startsWith(PATTERN)
    // It waits while Redis is away, and ioredis makes it again when Redis is back.
    const confirmed = (isPattern ? redis.psubscribe(target) : redis.subscribe(target)).then(
      () => undefined,
      () => undefined, // the connection has been closed for good
    )
    active.set(name, confirmed)
    void confirmed.then(done)
  }
  const end = (name: string, done?: () => void): void => {
    const target = name.slice(1)
    active.delete(name)
    const ended = name.startsWith(PATTERN) ? redis.punsubscribe(target) : redis.unsubscribe(target)
    ended.then(
      () => done?.(),
      () => done?.(),
    )
  }
  const fromOthers = (payload: Buffer): Buffer | undefined =>
    payload.subarray(0, ORIGIN_BYTES).equals(origin) ? undefined : payload.subarray(ORIGIN_BYTES)

  return {
    on(event: string, listener: Received) {
      if (event === 'messageBuffer') {
        receive = listener
        redis.on(event, (channel: Buffer, payload: Buffer) => {
          const packed = fromOthers(payload)
          if (packed !== undefined) listener(channel, packed)
        })
      } else if (event === 'pmessageBuffer') {
        redis.on(event, (pattern: string, channel: Buffer, payload: Buffer) => {
          const packed = fromOthers(payload)
          if (packed !== undefined) listener(pattern, channel, packed)
        })
      } else redis.on(event, listener)
    },
    quit: () => leave(redis),
    subscribe: begin,
    psubscribe: begin,
    unsubscribe: end,
    punsubscribe: end,
    // ioredis has sent them again by the time at which a connection is ready; answers come in order.
    async resume(): Promise<void> {
      await redis.ping()
    },
    receive: (channel: string, packed: Buffer) => receive(channel, packed),
    active: (name: string): Promise<void> => active.get(name) ?? Promise.resolve(),
  }
}

/** Resolves when what is queued in Redis by now has been published as well. */
async function queued(store: Redis): Promise<void> {
  if (store.status === 'ready') await store.ping().catch(() => undefined)
  await nextTurn()
}

/** Without a connection `quit` would wait for one. */
function leave(redis: Redis): void {
  if (redis.status === 'ready') redis.quit().catch(() => redis.disconnect())
  else redis.disconnect()
}
