import type { Tally } from '../../metrics/tally.js'
import type { Statement } from '../../store/state.js'
import type { CurrentSubscriptions } from './current-subscriptions.js'
import type { LateWrites } from './late-writes.js'
import { chooseReceivers, NOBODY, type Receivers, type SessionSubscription } from './receivers.js'
import type { RetainedLimit } from './retained-limit.js'
import type { QueuedMessage } from './session.js'
import type { SessionDirectory } from './session-directory.js'
import { statements } from './session-file.js'
import type { SessionJournal } from './session-journal.js'

/** A message that is about to be delivered. */
export interface OutboxMessage {
  readonly cmd: 'publish'
  readonly topic: string
  readonly payload: Buffer | string
  readonly qos: 0 | 1 | 2
  readonly retain: boolean
}

/** The session and the packet identifier that a QoS 2 message was received with. */
export interface ReceivedFrom {
  readonly clientId: string
  readonly packetIdentifier: number
}

/** The number by which the broker knows a message again; see `QueuedMessage`. */
export type Stamp = Pick<QueuedMessage, 'brokerId' | 'brokerCounter'>

/** What a message leaves behind: in queues, as a retained message, as received. */
export interface Kept {
  /**
   * Stores it, in one commit; again after a failure, in the place that it had. `undefined`: nothing is to be
   * stored.
   */
  store(): Promise<void> | undefined
  /** Shows it to the sessions, in the same turn in which it goes to those who are here. */
  deliver(stamp: Stamp): void
  /** Gives it up, for one that could not be stored. */
  abandon(): void
}

/** Begins to keep a message; `to` says who is to have it in the queue, instead of the subscriptions. */
export type Outbox = (
  message: OutboxMessage,
  from?: ReceivedFrom | undefined,
  to?: readonly SessionSubscription[],
) => Kept

/** What an outbox works on. */
export interface OutboxParts {
  readonly directory: SessionDirectory
  readonly journal: SessionJournal
  readonly late: LateWrites
  readonly retained: RetainedLimit
  readonly tally: Pick<Tally, 'queueDropped'>
  readonly maxQueued: number
  readonly maxInflight: number
  readonly nextId: () => number
  /** The subscriptions of sessions that match a topic; at once where it was asked for before. */
  readonly subscribersOf: (
    topic: string,
  ) => readonly SessionSubscription[] | Promise<readonly SessionSubscription[]>
  readonly subscriptions: Pick<CurrentSubscriptions, 'made' | 'since'>
  /** Shows a retained message to those who subscribe from now on; an empty one ends it. */
  readonly showRetained: (message: OutboxMessage) => void
}

const NOTHING: Kept = { store: () => undefined, deliver: () => undefined, abandon: () => undefined }

/**
 * Each message has its number from the moment in which it came, by which it is sorted after a restart, and is
 * seen in memory only when it is on disk, in the turn in which it is delivered: so a client that connects
 * meanwhile gets it either from the queue or live. A session whose subscription was made meanwhile has it as well:
 * what it finds retained when it subscribes is older.
 */
export function createOutbox(parts: OutboxParts): Outbox {
  return (message, from, to) => {
    const hasQueues = message.qos > 0 && parts.directory.size > 0
    if (message.retain || from !== undefined || hasQueues) {
      return keep(to === undefined ? parts : { ...parts, ...only(to) }, message, from)
    }
    if (message.qos === 0) return NOTHING
    const madeBefore = parts.subscriptions.made
    const deliver = (stamp: Stamp) => enqueueLate(parts, message, { madeBefore, receivers: NOBODY }, stamp)
    return { ...NOTHING, deliver }
  }
}

/** Whoever subscribes. */
function only(to: readonly SessionSubscription[]): Pick<OutboxParts, 'subscribersOf' | 'subscriptions'> {
  return { subscribersOf: () => to, subscriptions: { made: 0, since: () => [] } }
}

function keep(parts: OutboxParts, message: OutboxMessage, from: ReceivedFrom | undefined): Kept {
  const { directory, journal, retained } = parts
  const id = parts.nextId()
  const retention = message.retain ? retained.admit(message.topic, message.payload.length, id) : 'ignore'
  let content = message
  let receivers: Receivers | undefined
  let madeBefore = 0
  const unreserve = (): void => {
    for (const session of receivers?.keys() ?? []) session.reserved -= 1
    receivers = undefined
  }
  const choose = (subscriptions: readonly SessionSubscription[]): Promise<void> | undefined => {
    receivers = chooseReceivers(parts, message, subscriptions)
    for (const session of receivers.keys()) session.reserved += 1
    if (receivers.size > 0 || retention === 'keep')
      content = { ...message, payload: ownCopy(message.payload) }
    return write(receivers)
  }
  const write = (chosen: Receivers): Promise<void> | undefined => {
    const session = from === undefined ? undefined : directory.open(from.clientId)
    const writes = toStatements(directory, { id, content, retention, receivers: chosen })
    if (session !== undefined && from !== undefined) {
      writes.push(...directory.opening(session), statements.receive(session.id, from.packetIdentifier))
    }
    if (writes.length === 0) return undefined
    return journal.write(writes).then(() => {
      for (const receiver of chosen.keys()) receiver.isSaved = true
      if (session === undefined || from === undefined) return
      session.isSaved = true
      session.incoming.add(from.packetIdentifier)
    })
  }
  return {
    store() {
      if (receivers !== undefined) return write(receivers)
      madeBefore = parts.subscriptions.made
      const isQueued = message.qos > 0 && directory.size > 0
      const subscriptions = isQueued ? parts.subscribersOf(message.topic) : []
      return subscriptions instanceof Promise ? subscriptions.then(choose) : choose(subscriptions)
    },
    deliver(stamp) {
      if (retention !== 'ignore' && retained.isNewest(content.topic, id)) {
        parts.showRetained(retention === 'keep' ? content : { ...content, payload: '' })
      }
      if (receivers === undefined) return
      if (receivers.size > 0) enqueue(parts, { ...content, ...stamp, id, references: 0 }, receivers)
      if (message.qos > 0) enqueueLate(parts, message, { madeBefore, receivers }, stamp)
      unreserve()
    },
    abandon: unreserve,
  }
}

/** Shows a message to sessions. */
function enqueue({ directory, late }: OutboxParts, message: QueuedMessage, receivers: Receivers): void {
  for (const [session, qos] of receivers) {
    // A session may have ended meanwhile.
    if (directory.find(session.clientId) === session) session.queue.add(message, qos)
  }
  if (message.references === 0) late.freed(message.id)
}

/** Who was to have a message when it was stored. */
interface Chosen {
  /** How many subscriptions had been made by then. */
  readonly madeBefore: number
  readonly receivers: Receivers
}

/** Gives a message to those who have subscribed while it was stored. Its acknowledgement does not wait for that. */
function enqueueLate(
  parts: OutboxParts,
  message: OutboxMessage,
  { madeBefore, receivers }: Chosen,
  stamp: Stamp,
): void {
  const { directory, journal, subscriptions } = parts
  const made = subscriptions.since(madeBefore, message.topic).filter(({ clientId }) => {
    const session = directory.find(clientId)
    return session !== undefined && !receivers.has(session)
  })
  if (made.length === 0) return
  const content = { ...message, payload: ownCopy(message.payload) }
  const later = chooseReceivers(parts, content, made)
  if (later.size === 0) return
  const id = parts.nextId()
  void journal.settle(toStatements(directory, { id, content, retention: 'ignore', receivers: later }))
  enqueue(parts, { ...content, ...stamp, id, references: 0 }, later)
}

/** What a message leaves behind, but that it was received. */
interface Remains {
  readonly id: number
  readonly content: OutboxMessage
  readonly retention: 'keep' | 'clear' | 'ignore'
  readonly receivers: Receivers
}

function toStatements(
  directory: SessionDirectory,
  { id, content, retention, receivers }: Remains,
): Statement[] {
  const { topic, payload, qos } = content
  const queues: Statement[] = []
  if (receivers.size > 0) {
    const rows = [...receivers].map(([session, granted]) => [session.id, granted] as const)
    const [[session, granted] = [0, 0], ...others] = rows
    queues.push(
      ...[...receivers.keys()].flatMap(directory.opening),
      statements.addMessage(id, topic, toBytes(payload)),
      others.length === 0
        ? statements.enqueue(session, id, granted)
        : statements.enqueueForAll(id, JSON.stringify(rows)),
    )
  }
  if (retention === 'clear') queues.push(statements.clearRetained(topic, id))
  else if (retention === 'keep') queues.push(statements.retain(topic, toBytes(payload), qos, id))
  return queues
}

/** A payload is a part of what one read of a socket gave; kept as that, it would keep all of it. */
function ownCopy(payload: Buffer | string): Buffer | string {
  if (typeof payload === 'string') return payload
  const copy = Buffer.allocUnsafeSlow(payload.length)
  payload.copy(copy)
  return copy
}

function toBytes(payload: Buffer | string): Buffer {
  return typeof payload === 'string' ? Buffer.from(payload) : payload
}
