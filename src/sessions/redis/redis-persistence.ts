import { Readable } from 'node:stream'
import RedisPersistence from 'aedes-persistence-redis/asyncPersistence.js'
import type { Redis } from 'ioredis'
import { ofPresentSession } from '../session-present.js'
import type { AttachedClient } from '../sessions.js'
import type { QueuedMessage, Receiver, RedisQueues } from './redis-queues.js'
import type { RedisRetained, RetainedMessage } from './redis-retained.js'
import type { RedisSubscriptions } from './redis-subscriptions.js'
import type { RedisWills } from './redis-wills.js'

/** What the persistence is made of. */
export interface RedisPersistenceParts {
  readonly redis: Redis
  readonly subscriptions: RedisSubscriptions
  readonly queues: RedisQueues
  readonly retained: RedisRetained
  readonly wills: RedisWills
  /** A session begins, or goes on; `true`: it was there. */
  readonly beginSession: (clientId: string) => Promise<boolean>
  readonly endSession: (clientId: string) => Promise<void>
  /** Resolves when this instance knows all subscriptions. */
  readonly caughtUp: () => Promise<void>
  /** Whether this instance stops, and tells the others nothing any more. */
  readonly hasLeft: () => boolean
  /** Finds out about them for the first time. */
  readonly start: () => Promise<void>
  /** Whether a client that is logged in may publish its will. */
  readonly mayPublish: (client: AttachedClient, topic: string) => boolean
}

/** A packet by its identifier. */
interface SentPacket {
  readonly messageId?: number | undefined
}

/** A QoS 2 message that was received, by its identifier. */
interface ReceivedPacket {
  readonly messageId: number
}

interface Client {
  readonly id: string
}

type Subscriptions = Parameters<RedisPersistence['addSubscriptions']>[1]

/**
 * The package, which keeps subscriptions and received QoS 2 messages; queues, retained messages and wills are kept
 * here otherwise. Its queue has one packet identifier for all who wait for a message, and no bound; its wills name
 * no one who may publish them.
 */
export class SharedPersistence extends RedisPersistence {
  readonly #parts: RedisPersistenceParts
  readonly #adding = new WeakMap<Subscriptions, Promise<unknown>>()

  constructor(parts: RedisPersistenceParts) {
    super({ conn: parts.redis })
    this.#parts = parts
  }

  /** What others change between the package's reading and its listening, it does not know. */
  override async setup(broker: object): Promise<void> {
    await super.setup(broker)
    await this.#parts.start()
  }

  storedSubscriptions(client: Client): ReturnType<RedisPersistence['subscriptionsByClient']> {
    return super.subscriptionsByClient(client)
  }

  /** Aedes calls it for a client that logs in without a clean session, which begins here where there is none. */
  override async subscriptionsByClient(
    client: Client,
  ): ReturnType<RedisPersistence['subscriptionsByClient']> {
    const isPresent = await this.#parts.beginSession(client.id)
    const stored = await this.storedSubscriptions(client)
    return isPresent ? ofPresentSession(stored) : stored
  }

  /** Aedes stores all filters of a SUBSCRIBE once for each that it grants, at the same time. */
  override addSubscriptions(client: Client, subscriptions: Subscriptions): Promise<unknown> {
    const known = this.#adding.get(subscriptions)
    if (known !== undefined) return known
    const add = (): Promise<unknown> => super.addSubscriptions(client, subscriptions)
    const adding = this.#parts.subscriptions.change(client.id, add)
    this.#adding.set(subscriptions, adding)
    return adding
  }

  override removeSubscriptions(client: Client, filters: readonly string[]): Promise<unknown> {
    return this.#parts.subscriptions.change(client.id, () => super.removeSubscriptions(client, filters))
  }

  /** Aedes calls it for a client that wants a clean session: the one before ends with all that it has. */
  override async cleanSubscriptions({ id }: Client): Promise<void> {
    await this.#parts.subscriptions.change(id, () => this.#parts.endSession(id))
  }

  override async subscriptionsByTopic(topic: string): ReturnType<RedisPersistence['subscriptionsByTopic']> {
    await this.#parts.caughtUp()
    return super.subscriptionsByTopic(topic)
  }

  /** Aedes gives the whole message; its identifier says all that is asked for later. */
  override incomingStorePacket(client: Client, { messageId }: ReceivedPacket): Promise<void> {
    return super.incomingStorePacket(client, { messageId })
  }

  outgoingEnqueue(receiver: Receiver, message: QueuedMessage): Promise<void> {
    return this.#parts.queues.enqueue([receiver], message)
  }

  /** A will of a connection that ended with the instance is published by another, and only there. */
  async outgoingEnqueueCombi(to: readonly Receiver[], message: QueuedMessage): Promise<void> {
    if (this.#parts.hasLeft()) throw new Error('the instance stops')
    await this.#parts.queues.enqueue(to, message)
  }

  /** Aedes calls it for each PUBREC. */
  outgoingUpdate(client: AttachedClient, { messageId = 0 }: SentPacket): Promise<void> {
    return this.#parts.queues.release(client, messageId)
  }

  /** Aedes calls it for each PUBACK and PUBCOMP. */
  outgoingClearMessageId(client: AttachedClient, { messageId = 0 }: SentPacket): Promise<void> {
    return this.#parts.queues.acknowledge(client, messageId)
  }

  /** Aedes asks for it when a client has connected, and would send what it gives; the backlog is for that. */
  outgoingStream(): Readable {
    return Readable.from([])
  }

  async storeRetained(message: RetainedMessage): Promise<void> {
    if (this.#parts.hasLeft()) throw new Error('the instance stops')
    await this.#parts.retained.store(message)
  }

  createRetainedStream(filter: string): Readable {
    return this.createRetainedStreamCombi([filter])
  }

  /** Aedes pipes them to their subscriber. */
  override createRetainedStreamCombi(filters: readonly string[]): Readable {
    return Readable.from(this.#parts.retained.matching(filters))
  }

  /** Aedes calls it when a client has logged in, whose rights decide on its will then. */
  async putWill(client: AttachedClient, will: RetainedMessage & { readonly retain: boolean }): Promise<void> {
    const { topic, payload, qos, retain } = will
    const isAllowed = this.#parts.mayPublish(client, topic)
    const kept = { topic, payload: Buffer.from(payload), qos, retain }
    await this.#parts.wills.put(client.id, isAllowed ? kept : undefined)
  }

  /** Aedes calls it with the client itself when that connects, and with its id when a connection has ended. */
  async delWill(client: Client & { readonly brokerId?: string }): Promise<void> {
    if (client.brokerId !== undefined && !this.#parts.hasLeft()) await this.#parts.wills.end(client.id)
  }

  /** Aedes would publish the wills of others as its own instances tell it to; see `RedisWills`. */
  async *streamWill(): AsyncGenerator<never> {
    // there are none
  }
}
