import type { Statement } from '../../store/state.js'
import type { Entry, Session } from './session.js'
import { statements } from './session-file.js'
import type { SessionJournal } from './session-journal.js'

/**
 * Writes that nobody waits for, because the worst that comes of their loss is that a message is sent once more, or
 * that a session's age counts from another moment: what a client's acknowledgement ends, the packet identifier of
 * a QoS 1 message, and when clients come and go.
 */
export interface LateWrites {
  /** A message has another packet identifier. */
  identified(session: Session, entry: Entry): void
  /** A message has left a queue. */
  dequeued(session: Session, entry: Entry): void
  /** A message is in no queue any more. */
  freed(messageId: number): void
  /** A client has come (`null`), or has gone, at a time in ms since 1970. */
  away(session: Session, sinceMs: number | null): void
  /** Writes what is late. */
  flush(): Promise<void>
}

/**
 * What was sent twice when the server is killed; most messages are acknowledged in less, and then never have an
 * identifier written. One statement for many rows costs a tenth of one for each.
 */
const LATE_BY_MS = 50

/** The late writes of a journal. */
export function createLateWrites(journal: SessionJournal): LateWrites {
  const identified = new Map<Entry, Session>()
  let dequeued: (readonly [session: number, message: number])[] = []
  let freed: number[] = []
  const away = new Map<number, number | null>()
  let timer: NodeJS.Timeout | undefined

  const flush = async (): Promise<void> => {
    clearTimeout(timer)
    timer = undefined
    const writes: Statement[] = []
    if (away.size > 0) writes.push(statements.setAway(JSON.stringify([...away])))
    if (identified.size > 0) writes.push(identifyAll(identified))
    if (dequeued.length > 0) writes.push(statements.dequeue(JSON.stringify(dequeued)))
    if (freed.length > 0) writes.push(statements.deleteMessages(JSON.stringify(freed)))
    away.clear()
    identified.clear()
    dequeued = []
    freed = []
    if (writes.length > 0) await journal.settle(writes)
  }
  const schedule = (): void => {
    timer ??= setTimeout(() => void flush(), LATE_BY_MS)
  }

  return {
    identified(session, entry) {
      identified.set(entry, session)
      schedule()
    },
    dequeued(session, entry) {
      identified.delete(entry)
      dequeued.push([session.id, entry.message.id])
      schedule()
    },
    freed(messageId) {
      freed.push(messageId)
      schedule()
    },
    away(session, sinceMs) {
      away.set(session.id, sinceMs)
      schedule()
    },
    flush,
  }
}

/** Writes the packet identifiers of entries, and marks them as written. */
export function identifyAll(entries: Iterable<readonly [Entry, Session]>): Statement {
  const rows = [...entries].map(([entry, session]) => {
    const { packetId, isReleased, message } = entry
    entry.saved = { packetId, isReleased }
    return [session.id, message.id, packetId ?? null, isReleased ? 1 : 0]
  })
  return statements.identify(JSON.stringify(rows))
}
