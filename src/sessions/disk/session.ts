import { steadyNow } from '../../clock/clock.js'
import type { SavedOutgoing } from './session-file.js'

/** The client of a session, as far as sessions need it: Aedes's own object, one for each connection. */
export interface SessionClient {
  readonly id: string
}

/** A message, kept once for all sessions that it waits in. */
export interface QueuedMessage {
  /** Higher than that of every message before. */
  readonly id: number
  readonly topic: string
  readonly payload: Buffer | string
  /** The broker's own number for it, by which it knows it again. */
  readonly brokerId: string | undefined
  readonly brokerCounter: number
  /** Sessions that it waits in. */
  references: number
}

/** A message in one session's queue, from its publish to the client's last acknowledgement. */
export interface Entry {
  readonly message: QueuedMessage
  readonly qos: 0 | 1 | 2
  packetId: number | undefined
  /** The client has the message, and is to be sent PUBREL. */
  isReleased: boolean
  /** As the file has the two. */
  saved: { readonly packetId: number | undefined; readonly isReleased: boolean }
}

/** What is kept of a client whose session is not a clean one. */
export interface Session {
  /** Distinct among all sessions, also among those that one client id has had. */
  readonly id: number
  readonly clientId: string
  readonly queue: SessionQueue
  /** Packet identifiers of QoS 2 messages received and not released, as in the file. */
  readonly incoming: Set<number>
  /** Messages on their way into the queue. */
  reserved: number
  isSaved: boolean
  /** The newest connection; `undefined` while the client is away. */
  client: SessionClient | undefined
  /** When the client went away. */
  awaySinceMs: number
}

/** What waits in all queues, each message counted once. */
export interface Queued {
  messages: number
  payloadBytes: number
}

/** A session that has nothing yet; its queue is counted in `queued`. */
export function createSession(
  { id, clientId, client }: Pick<Session, 'id' | 'clientId' | 'client'>,
  queued: Queued,
): Session {
  return {
    id,
    clientId,
    queue: createSessionQueue(queued),
    incoming: new Set(),
    reserved: 0,
    isSaved: false,
    client,
    awaySinceMs: steadyNow(),
  }
}

/** The messages of a session in their order. */
export interface SessionQueue {
  readonly length: number
  add(message: QueuedMessage, qos: 0 | 1 | 2, saved?: SavedOutgoing): void
  /** By the number that the broker gave it. */
  find(brokerId: string | undefined, brokerCounter: number | undefined): Entry | undefined
  /** By its packet identifier. */
  identified(packetId: number): Entry | undefined
  identify(entry: Entry, packetId: number | undefined): void
  has(entry: Entry): boolean
  remove(entry: Entry): void
  /** All of them, oldest first. */
  list(): Entry[]
  /** The next ones, oldest first, that were not passed since `rewind`. */
  next(count: number): Entry[]
  /** Lets `next` begin with the oldest, for another connection. */
  rewind(): void
}

/** What the file has of a message that was not sent; one for all, since there may be a million of them. */
const NOT_SENT: Entry['saved'] = { packetId: undefined, isReleased: false }

/** Passed ones are forgotten so many at a time. */
const FORGOTTEN_TOGETHER = 1000

function createSessionQueue(queued: Queued): SessionQueue {
  const entries = new Set<Entry>()
  /** By the counter alone: there is one broker, and its name is compared when an entry is found. */
  const byCounter = new Map<number, Entry>()
  const byPacketId = new Map<number, Entry>()
  let waiting: Entry[] = []
  let passed = 0

  return {
    get length() {
      return entries.size
    },
    add(message, qos, saved) {
      const { packetId, isReleased } = saved ?? NOT_SENT
      const isNotSent = packetId === undefined && !isReleased
      const entry: Entry = {
        message,
        qos,
        packetId,
        isReleased,
        saved: isNotSent ? NOT_SENT : { packetId, isReleased },
      }
      if (message.references === 0) {
        queued.messages += 1
        queued.payloadBytes += Buffer.byteLength(message.payload)
      }
      message.references += 1
      entries.add(entry)
      waiting.push(entry)
      byCounter.set(message.brokerCounter, entry)
      if (packetId !== undefined) byPacketId.set(packetId, entry)
    },
    find(brokerId, brokerCounter = 0) {
      const entry = byCounter.get(brokerCounter)
      return entry?.message.brokerId === brokerId ? entry : undefined
    },
    identified: (packetId) => byPacketId.get(packetId),
    identify(entry, packetId) {
      if (entry.packetId !== undefined && byPacketId.get(entry.packetId) === entry) {
        byPacketId.delete(entry.packetId)
      }
      entry.packetId = packetId
      if (packetId !== undefined) byPacketId.set(packetId, entry)
    },
    has: (entry) => entries.has(entry),
    remove(entry) {
      const { message, packetId } = entry
      if (!entries.delete(entry)) return
      message.references -= 1
      if (message.references === 0) {
        queued.messages -= 1
        queued.payloadBytes -= Buffer.byteLength(message.payload)
      }
      if (byCounter.get(message.brokerCounter) === entry) byCounter.delete(message.brokerCounter)
      if (packetId !== undefined && byPacketId.get(packetId) === entry) byPacketId.delete(packetId)
    },
    list: () => [...entries],
    next(count) {
      const found: Entry[] = []
      for (; found.length < count && passed < waiting.length; passed += 1) {
        const entry = waiting[passed]
        if (entry !== undefined && entries.has(entry)) found.push(entry)
      }
      if (passed === waiting.length || passed >= FORGOTTEN_TOGETHER) {
        waiting = waiting.slice(passed)
        passed = 0
      }
      return found
    },
    rewind() {
      waiting = [...entries]
      passed = 0
    },
  }
}
