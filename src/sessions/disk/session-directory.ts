import { isUnset, steadyNow } from '../../clock/clock.js'
import type { Statement } from '../../store/state.js'
import type { LateWrites } from './late-writes.js'
import { createSession, type Entry, type Queued, type Session, type SessionClient } from './session.js'
import { deleteSession, type SavedSessions, statements } from './session-file.js'

/** The sessions by their client's id, in memory and in the file. */
export interface SessionDirectory {
  readonly size: number
  /** What waits in their queues. */
  readonly queued: Readonly<Queued>
  find(clientId: string): Session | undefined
  /** The client's session, made where it has none. */
  open(clientId: string): Session
  restore(saved: SavedSessions['sessions'][number]): Session
  /** What is to go before the first rows of a session. */
  opening(session: Session): readonly Statement[]
  /** A client is logged in: its connection takes over from any before it. */
  attach(client: SessionClient): void
  /** That connection has ended. */
  detach(client: SessionClient): void
  /** Forgets a session, and returns what deletes it from the file. */
  end(session: Session): readonly Statement[]
  /** Takes a message from a queue. Nobody waits for that: at the worst it is sent once more. */
  dequeue(session: Session, entry: Entry): void
  /** Sessions whose clients are away. */
  away(): readonly Session[]
  /** Those that have been away since before then. */
  awaySince(beforeMs: number): readonly Session[]
}

/** A directory of no sessions yet. */
export function createSessionDirectory(late: LateWrites, nextId: () => number): SessionDirectory {
  const sessions = new Map<string, Session>()
  const queued: Queued = { messages: 0, payloadBytes: 0 }
  const attached = new Map<string, SessionClient>()

  const unqueue = (session: Session, entry: Entry): void => {
    session.queue.remove(entry)
    if (entry.message.references === 0) late.freed(entry.message.id)
  }

  const save = (session: Session, sinceMs: number | null): void => {
    if (session.isSaved) late.away(session, sinceMs)
  }

  /** Of a clock that is not set the time is worth nothing: the next start counts from itself. */
  const saveAway = (session: Session): void => {
    const nowMs = Date.now()
    save(session, isUnset(nowMs) ? null : nowMs)
  }

  const away = (): Session[] => [...sessions.values()].filter(({ client }) => client === undefined)

  return {
    get size() {
      return sessions.size
    },
    queued,
    find: (clientId) => sessions.get(clientId),
    open(clientId) {
      const known = sessions.get(clientId)
      if (known !== undefined) return known
      const session = createSession({ id: nextId(), clientId, client: attached.get(clientId) }, queued)
      sessions.set(clientId, session)
      return session
    },
    restore({ id, clientId, awaySinceMs }) {
      const session = createSession({ id, clientId, client: undefined }, queued)
      session.isSaved = true
      if (awaySinceMs === undefined) saveAway(session)
      else session.awaySinceMs = awaySinceMs
      sessions.set(clientId, session)
      return session
    },
    opening({ id, clientId, isSaved, client, awaySinceMs }) {
      return isSaved ? [] : [statements.addSession(id, clientId, client === undefined ? awaySinceMs : null)]
    },
    attach(client) {
      attached.set(client.id, client)
      const session = sessions.get(client.id)
      if (session === undefined) return
      if (session.client === undefined) save(session, null)
      session.client = client
      session.queue.rewind()
    },
    detach(client) {
      if (attached.get(client.id) !== client) return
      attached.delete(client.id)
      const session = sessions.get(client.id)
      if (session === undefined) return
      Object.assign(session, { client: undefined, awaySinceMs: steadyNow() })
      saveAway(session)
    },
    end(session) {
      sessions.delete(session.clientId)
      for (const entry of session.queue.list()) unqueue(session, entry)
      return deleteSession(session.id)
    },
    dequeue(session, entry) {
      unqueue(session, entry)
      late.dequeued(session, entry)
    },
    away,
    awaySince: (beforeMs) => away().filter(({ awaySinceMs }) => awaySinceMs <= beforeMs),
  }
}
