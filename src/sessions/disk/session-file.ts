import type { StateKind, Statement, Value } from '../../store/state.js'

/**
 * The tables of the sessions in the state file. Rows belong to the number of a session and not to its client's
 * id, so that what is deleted late, after the disk was full, is never of the session that came after.
 */
const tables: readonly string[] = [
  'CREATE TABLE IF NOT EXISTS session (id INTEGER PRIMARY KEY, client_id TEXT NOT NULL, away_since INTEGER)',
  `CREATE TABLE IF NOT EXISTS subscription (session INTEGER NOT NULL, filter TEXT NOT NULL, qos INTEGER NOT NULL,
     PRIMARY KEY (session, filter)) WITHOUT ROWID`,
  'CREATE TABLE IF NOT EXISTS message (id INTEGER PRIMARY KEY, topic TEXT NOT NULL, payload BLOB NOT NULL)',
  `CREATE TABLE IF NOT EXISTS outgoing (session INTEGER NOT NULL, message INTEGER NOT NULL, qos INTEGER NOT NULL,
     packet_id INTEGER, is_released INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (session, message)) WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS incoming (session INTEGER NOT NULL, packet_id INTEGER NOT NULL,
     PRIMARY KEY (session, packet_id)) WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS retained (topic TEXT PRIMARY KEY, payload BLOB NOT NULL, qos INTEGER NOT NULL,
     version INTEGER NOT NULL)`,
  `CREATE TABLE IF NOT EXISTS will (id INTEGER PRIMARY KEY, client_id TEXT NOT NULL, topic TEXT NOT NULL,
     payload BLOB NOT NULL, qos INTEGER NOT NULL, retain INTEGER NOT NULL)`,
]

/** The state file. */
export const SESSION_FILE: StateKind = {
  holds: 'sessions with their queued messages, retained messages and wills',
  tables,
}

const make =
  (sql: string) =>
  (...args: readonly Value[]): Statement => ({ sql, args })

/** The statements on those tables; each takes the values for its columns in their order. */
export const statements = {
  addSession: make('INSERT OR IGNORE INTO session (id, client_id, away_since) VALUES (?, ?, ?)'),
  /** A JSON list of [session, when its client went away in ms since 1970 or `null`]. */
  setAway: make(
    "UPDATE session SET away_since = value ->> '$[1]' FROM json_each(?) WHERE session.id = value ->> '$[0]'",
  ),
  subscribe: make('INSERT OR REPLACE INTO subscription (session, filter, qos) VALUES (?, ?, ?)'),
  unsubscribe: make('DELETE FROM subscription WHERE session = ? AND filter = ?'),
  addMessage: make('INSERT OR IGNORE INTO message (id, topic, payload) VALUES (?, ?, ?)'),
  /** A JSON list of messages. */
  deleteMessages: make('DELETE FROM message WHERE id IN (SELECT value FROM json_each(?))'),
  enqueue: make('INSERT OR IGNORE INTO outgoing (session, message, qos) VALUES (?, ?, ?)'),
  /** The message, and a JSON list of [session, QoS]. */
  enqueueForAll: make(
    "INSERT OR IGNORE INTO outgoing (session, message, qos) SELECT value ->> '$[0]', ?, value ->> '$[1]' FROM json_each(?)",
  ),
  /** A JSON list of [session, message, packet identifier, whether it is released (PUBREL)]. */
  identify: make(
    `UPDATE outgoing SET packet_id = value ->> '$[2]', is_released = value ->> '$[3]' FROM json_each(?)
       WHERE session = value ->> '$[0]' AND message = value ->> '$[1]'`,
  ),
  /** A JSON list of [session, message]. */
  dequeue: make(
    "DELETE FROM outgoing WHERE (session, message) IN (SELECT value ->> '$[0]', value ->> '$[1]' FROM json_each(?))",
  ),
  receive: make('INSERT OR IGNORE INTO incoming (session, packet_id) VALUES (?, ?)'),
  release: make('DELETE FROM incoming WHERE session = ? AND packet_id = ?'),
  /** What is tried again late does not go before what came after it. */
  retain: make(
    `INSERT INTO retained (topic, payload, qos, version) VALUES (?, ?, ?, ?) ON CONFLICT (topic) DO UPDATE
       SET payload = excluded.payload, qos = excluded.qos, version = excluded.version
       WHERE excluded.version > retained.version`,
  ),
  clearRetained: make('DELETE FROM retained WHERE topic = ? AND version <= ?'),
  putWill: make(
    'INSERT OR REPLACE INTO will (id, client_id, topic, payload, qos, retain) VALUES (?, ?, ?, ?, ?, ?)',
  ),
  deleteWill: make('DELETE FROM will WHERE id = ?'),
} as const

/** Deletes a session with all that is its own. */
export function deleteSession(id: number): readonly Statement[] {
  return ['subscription', 'outgoing', 'incoming']
    .map((table): Statement => ({ sql: `DELETE FROM ${table} WHERE session = ?`, args: [id] }))
    .concat({ sql: 'DELETE FROM session WHERE id = ?', args: [id] })
}

/** What the file holds. Everything is in the order in which it came. */
export interface SavedSessions {
  /** No message, session or will has a higher number. */
  readonly highestId: number
  readonly sessions: readonly {
    readonly id: number
    readonly clientId: string
    readonly awaySinceMs: number | undefined
  }[]
  readonly subscriptions: readonly {
    readonly session: number
    readonly filter: string
    readonly qos: 0 | 1 | 2
  }[]
  readonly messages: readonly { readonly id: number; readonly topic: string; readonly payload: Buffer }[]
  readonly outgoing: readonly SavedOutgoing[]
  readonly incoming: readonly { readonly session: number; readonly packetId: number }[]
  readonly retained: readonly (SavedPublish & { readonly version: number })[]
  readonly wills: readonly SavedWill[]
}

/** A queued message of a session. */
export interface SavedOutgoing {
  readonly session: number
  readonly message: number
  readonly qos: 1 | 2
  readonly packetId: number | undefined
  /** The client has the message, and is to be sent PUBREL. */
  readonly isReleased: boolean
}

/** The content of a PUBLISH. */
export interface SavedPublish {
  readonly topic: string
  readonly payload: Buffer
  readonly qos: 0 | 1 | 2
}

/** The will of a client whose connection ended with the process. */
export interface SavedWill extends SavedPublish {
  readonly id: number
  readonly clientId: string
  readonly retain: boolean
}
