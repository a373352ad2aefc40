import { ofPresentSession } from '../session-present.js'
import type { OutboxMessage } from './outbox.js'
import { createReceivedIdentifiers } from './received-identifiers.js'
import type { SavedWills } from './saved-wills.js'
import type { QueuedMessage, Session, SessionClient } from './session.js'
import { type SavedSessions, statements } from './session-file.js'
import {
  SessionQueues,
  type SessionQueuesParts,
  type StampedMessage,
  type Subscription,
} from './session-queues.js'

/** What the persistence is made of. */
export interface DiskPersistenceParts extends SessionQueuesParts {
  readonly saved: SavedSessions
  readonly wills: SavedWills
  /** Whether a client that is logged in may publish its will. */
  readonly mayPublish: (client: SessionClient, topic: string) => boolean
  /** Resolves when a write is to be tried again; rejects when the server stops. */
  readonly untilRetry: () => Promise<void>
}

/** A QoS 2 message that was received, by its identifier. */
interface ReceivedPacket {
  readonly messageId: number
}

/** What Aedes expects of each QoS 2 message that is new; a stack trace for each cost more than all else. */
const NO_SUCH_PACKET = new Error('no such packet')

/**
 * Aedes's persistence in memory, with every change on disk before its promise resolves, but for
 * `LateWrites`. It begins with what the process before has left.
 */
export class DiskPersistence extends SessionQueues {
  readonly #parts: Omit<DiskPersistenceParts, 'saved'>
  /** Given up once it is taken over, as it takes as much memory again. */
  #saved: SavedSessions | undefined
  readonly #adding = new WeakMap<readonly Subscription[], Promise<void>>()
  readonly #received = createReceivedIdentifiers()

  constructor({ saved, ...parts }: DiskPersistenceParts) {
    super(parts)
    this.#parts = parts
    this.#saved = saved
  }

  override async setup(broker: Parameters<SessionQueues['setup']>[0]): Promise<void> {
    await super.setup(broker)
    const { directory, retained } = this.#parts
    const saved = this.#saved
    this.#saved = undefined
    if (saved === undefined) return
    const sessions = new Map(saved.sessions.map((one) => [one.id, directory.restore(one)]))
    for (const { session, filter, qos } of saved.subscriptions) {
      const id = sessions.get(session)?.clientId
      if (id !== undefined) await super.addSubscriptions({ id }, [{ topic: filter, qos }])
    }
    for (const { session, packetId } of saved.incoming) {
      sessions.get(session)?.incoming.add(packetId)
      const id = sessions.get(session)?.clientId
      if (id !== undefined) this.#received.add(id, packetId)
    }
    for (const { topic, payload, qos, version } of saved.retained) {
      retained.admit(topic, payload.length, version)
      const message: OutboxMessage = { cmd: 'publish', topic, payload, qos, retain: true }
      await super.storeRetained(message)
    }
    this.#restoreQueues(saved, sessions)
  }

  /** Messages get numbers of this process; those of the process before may be given again. */
  #restoreQueues(
    { messages, outgoing }: Pick<SavedSessions, 'messages' | 'outgoing'>,
    sessions: ReadonlyMap<number, Session>,
  ): void {
    const restored = new Map<number, QueuedMessage>()
    for (const { id, topic, payload } of messages) {
      const { brokerId, brokerCounter } = this.stamp({})
      restored.set(id, { id, topic, payload, brokerId, brokerCounter, references: 0 })
    }
    for (const one of outgoing) {
      const message = restored.get(one.message)
      if (message !== undefined) sessions.get(one.session)?.queue.add(message, one.qos, one)
    }
  }

  override async storeRetained(packet: StampedMessage): Promise<void> {
    const kept = this.outbox({ ...packet, retain: true }, undefined, [])
    await kept.store()
    kept.deliver({ brokerId: undefined, brokerCounter: 0 }) // is in no queue
  }

  /**
   * Aedes calls it for a client that logs in without a clean session: the session begins here, where there is none.
   * It is on disk before CONNACK, unless the file refuses; then it is with its first subscription.
   */
  override async subscriptionsByClient(
    client: SessionClient,
  ): ReturnType<SessionQueues['subscriptionsByClient']> {
    const { directory, journal } = this.#parts
    if (directory.find(client.id) !== undefined) {
      return ofPresentSession(await super.subscriptionsByClient(client))
    }
    const session = directory.open(client.id)
    const saved = (): void => {
      session.isSaved = true
    }
    await journal.write(directory.opening(session)).then(saved, () => undefined) // the failure is in the log
    return []
  }

  /** Aedes calls it once for each subscription of a SUBSCRIBE, with all of them. */
  override addSubscriptions(client: SessionClient, subscriptions: readonly Subscription[]): Promise<void> {
    const known = this.#adding.get(subscriptions)
    if (known !== undefined) return known
    const adding = this.#subscribe(client, subscriptions).finally(() => this.#adding.delete(subscriptions))
    this.#adding.set(subscriptions, adding)
    return adding
  }

  async #subscribe(client: SessionClient, subscriptions: readonly Subscription[]): Promise<void> {
    const { directory, journal } = this.#parts
    const session = directory.open(client.id)
    await journal.persist(
      [
        ...directory.opening(session),
        ...subscriptions.map(({ topic, qos }) => statements.subscribe(session.id, topic, qos)),
      ],
      () => session.client === client,
    )
    session.isSaved = true
    if (directory.find(client.id) === session) await super.addSubscriptions(client, subscriptions)
  }

  override async removeSubscriptions(client: SessionClient, filters: readonly string[]): Promise<void> {
    const session = this.#parts.directory.find(client.id)
    if (session !== undefined) {
      await this.#parts.journal.persist(
        filters.map((filter) => statements.unsubscribe(session.id, filter)),
        () => session.client === client,
      )
    }
    await super.removeSubscriptions(client, filters)
  }

  /** Takes away what a client may not have any more: at once, and in the file as soon as that takes it. */
  async revokeSubscriptions(clientId: string, filters: readonly string[]): Promise<void> {
    const { directory, journal } = this.#parts
    const session = directory.find(clientId)
    await super.removeSubscriptions({ id: clientId }, filters)
    if (session === undefined) return
    await journal.settle(filters.map((filter) => statements.unsubscribe(session.id, filter)))
  }

  /** Aedes calls it for a client that wants a clean session: the one before ends with all that it has. */
  override async cleanSubscriptions(client: SessionClient): Promise<void> {
    const session = this.#parts.directory.find(client.id)
    if (session !== undefined) await this.endSession(session)
    else await super.cleanSubscriptions(client)
  }

  /** Ends a session. Where the file refuses, it is deleted there later. */
  async endSession(session: Session): Promise<void> {
    const client = { id: session.clientId }
    const deletion = this.#parts.directory.end(session)
    this.#received.removeAll(client.id)
    await super.cleanSubscriptions(client)
    await this.#parts.journal.settle(deletion)
  }

  /** Aedes calls it when a message is on its way, and what is to last is in the file; see `Outbox`. */
  override async incomingStorePacket({ id }: SessionClient, { messageId }: ReceivedPacket): Promise<void> {
    this.#received.add(id, messageId)
  }

  override async incomingGetPacket({ id }: SessionClient, packet: ReceivedPacket): Promise<ReceivedPacket> {
    if (!this.#received.has(id, packet.messageId)) throw NO_SUCH_PACKET
    return packet
  }

  /** The same without an error. */
  isReceived(clientId: string, packetIdentifier: number): boolean {
    return this.#received.has(clientId, packetIdentifier)
  }

  /**
   * Aedes answers PUBREL although this fails, after which the client may use the packet identifier for another
   * message; so it does not fail.
   */
  override async incomingDelPacket(client: SessionClient, packet: ReceivedPacket): Promise<void> {
    const { directory, journal, untilRetry } = this.#parts
    const session = directory.find(client.id)
    while (session?.incoming.has(packet.messageId) === true) {
      try {
        await journal.write([statements.release(session.id, packet.messageId)])
        session.incoming.delete(packet.messageId)
      } catch {
        await untilRetry() // the failure is in the log
      }
    }
    if (!this.#received.remove(client.id, packet.messageId)) throw new Error('no such packet')
  }

  override async cleanIncoming(client: SessionClient): Promise<void> {
    const { directory, journal } = this.#parts
    const session = directory.find(client.id)
    this.#received.removeAll(client.id)
    if (session === undefined || session.incoming.size === 0) return
    const releases = [...session.incoming].map((packetId) => statements.release(session.id, packetId))
    session.incoming.clear()
    await journal.settle(releases)
  }

  override async putWill(client: SessionClient, will: OutboxMessage): Promise<void> {
    await super.putWill(client, will)
    const { topic, qos, retain } = will
    const payload = Buffer.from(will.payload)
    const isAllowed = this.#parts.mayPublish(client, topic)
    await this.#parts.wills.put(client.id, isAllowed ? { topic, payload, qos, retain } : undefined)
  }

  /** Aedes calls it with the client itself when that connects, and with its id when a connection has ended. */
  override async delWill(
    client: SessionClient & { readonly brokerId?: string },
  ): Promise<object | undefined> {
    if (client.brokerId !== undefined) this.#parts.wills.end(client.id)
    return await super.delWill(client)
  }

  override async destroy(): Promise<void> {
    await super.destroy()
    await this.#parts.late.flush()
    await this.#parts.journal.close()
  }
}
