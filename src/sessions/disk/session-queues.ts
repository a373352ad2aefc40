import { Readable } from 'node:stream'
import { createLru } from '../../cache/lru.js'
import { createCurrentSubscriptions } from './current-subscriptions.js'
import { ExactPersistence } from './exact-persistence.js'
import { identifyAll } from './late-writes.js'
import { createOutbox, type Outbox, type OutboxMessage, type OutboxParts, type Stamp } from './outbox.js'
import { listQueued, type QueuedPacket, toPacket } from './queued-packet.js'
import type { SessionSubscription } from './receivers.js'
import type { Entry, Session, SessionClient } from './session.js'

/** Two topics for each of some ten thousand devices, at some 200 bytes; longer ones are looked up each time. */
const MAX_MATCHES = 20_000
const MAX_MATCHED_LENGTH = 256

/** A subscription as Aedes stores it. */
export interface Subscription {
  readonly topic: string
  readonly qos: 0 | 1 | 2
}

/** A packet of a queue as Aedes names it. */
interface Packet {
  readonly cmd?: string
  readonly qos?: 0 | 1 | 2
  readonly brokerId?: string
  readonly brokerCounter?: number
  readonly messageId?: number | undefined
}

/** A message that has its number, or is to be given one. */
export type StampedMessage = OutboxMessage & Partial<Stamp>

/** What queues are made of. */
export type SessionQueuesParts = Omit<OutboxParts, 'subscribersOf' | 'subscriptions' | 'showRetained'>

/** The part of Aedes's persistence that has to do with queues; see `LateWrites` for what it does not wait for. */
export class SessionQueues extends ExactPersistence {
  readonly outbox: Outbox
  readonly #parts: SessionQueuesParts
  /** Subscriptions by topics that were looked up; devices publish on the same ones again and again. */
  readonly #matches = createLru<string, readonly SessionSubscription[]>(MAX_MATCHES)
  readonly #subscriptions = createCurrentSubscriptions()
  #changes = 0

  constructor(parts: SessionQueuesParts) {
    super()
    this.#parts = parts
    this.outbox = createOutbox({
      ...parts,
      subscriptions: this.#subscriptions,
      subscribersOf: (topic) => this.#matches.get(topic) ?? this.#match(topic),
      showRetained: (message) => void super.storeRetained(message),
    })
  }

  async #match(topic: string): Promise<readonly SessionSubscription[]> {
    const changes = this.#changes
    const found = await super.subscriptionsByTopic(topic)
    const isKept = changes === this.#changes && topic.length <= MAX_MATCHED_LENGTH
    if (isKept) this.#matches.set(topic, found)
    return found
  }

  #changed(): void {
    this.#changes += 1
    this.#matches.clear()
  }

  override async addSubscriptions(
    client: SessionClient,
    subscriptions: readonly Subscription[],
  ): Promise<void> {
    await super.addSubscriptions(client, subscriptions)
    this.#subscriptions.add(client.id, subscriptions)
    this.#changed()
  }

  override async removeSubscriptions(client: SessionClient, filters: readonly string[]): Promise<void> {
    await super.removeSubscriptions(client, filters)
    this.#subscriptions.remove(client.id, filters)
    this.#changed()
  }

  override async cleanSubscriptions(client: SessionClient): Promise<void> {
    await super.cleanSubscriptions(client)
    this.#subscriptions.removeAll(client.id)
    this.#changed()
  }

  /** How many subscriptions a client's session has. */
  countSubscriptions(clientId: string): number {
    return this.#subscriptions.count(clientId)
  }

  /** The number of a message, or the next of this process. */
  stamp({ brokerId, brokerCounter }: Partial<Stamp>): Stamp {
    if (brokerCounter !== undefined) return { brokerId, brokerCounter }
    this.broker.counter += 1
    return { brokerId: this.broker.id, brokerCounter: this.broker.counter }
  }

  async outgoingEnqueue(subscription: SessionSubscription, packet: StampedMessage): Promise<void> {
    await this.outgoingEnqueueCombi([subscription], packet)
  }

  async outgoingEnqueueCombi(to: readonly SessionSubscription[], packet: StampedMessage): Promise<void> {
    for (const { clientId } of to) this.#parts.directory.open(clientId)
    const kept = this.outbox({ ...packet, retain: false }, undefined, to)
    await kept.store()
    kept.deliver(this.stamp(packet))
  }

  async outgoingUpdate(client: SessionClient, packet: Packet): Promise<void> {
    const session = this.#parts.directory.find(client.id)
    if (session === undefined) return
    const { queue } = session
    const isRelease = packet.cmd === 'pubrel'
    const entry = isRelease
      ? queue.identified(packet.messageId ?? 0)
      : queue.find(packet.brokerId, packet.brokerCounter)
    if (entry === undefined) return
    if (isRelease) entry.isReleased = true
    else if (entry.packetId !== packet.messageId) queue.identify(entry, packet.messageId)
    await this.#save(session, entry, isRelease || packet.qos === 2)
  }

  /** At QoS 2 the client tells by it what it has already, so it is on disk before it is used [MQTT-4.4.0-1]. */
  async #save(session: Session, entry: Entry, isAwaited: boolean): Promise<void> {
    const { packetId, isReleased, saved } = entry
    if (saved.packetId === packetId && saved.isReleased === isReleased) return
    if (!isAwaited) {
      this.#parts.late.identified(session, entry)
      return
    }
    const change = identifyAll([[entry, session]])
    const isWanted = (): boolean => session.client !== undefined
    await this.#parts.journal.persist([change], isWanted).catch((error: unknown) => {
      entry.saved = saved
      throw error
    })
  }

  async outgoingClearMessageId(client: SessionClient, packet: Packet): Promise<QueuedPacket | undefined> {
    const { directory } = this.#parts
    const session = directory.find(client.id)
    const entry = packet.messageId === undefined ? undefined : session?.queue.identified(packet.messageId)
    if (session === undefined || entry === undefined) return undefined
    directory.dequeue(session, entry)
    return toPacket(entry)
  }

  /** Aedes asks for it when a client has connected, and sends what it gives; `DiskBacklog` is for that. */
  outgoingStream(client: SessionClient): Readable {
    const session = this.#parts.directory.find(client.id)
    return Readable.from(session === undefined || session.client === client ? [] : listQueued(session))
  }
}
