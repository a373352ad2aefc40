import type { State, StateKind, Statement, Value } from '../../store/state.js'

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
  /** When the client went away, in ms since 1970, or `null`; the session. */
  setAway: make('UPDATE session SET away_since = ? WHERE id = ?'),
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

/** What is left behind where the process ended between two commits that belong together. */
const sweep: readonly Statement[] = [
  'DELETE FROM session WHERE id NOT IN (SELECT max(id) FROM session GROUP BY client_id)',
  'DELETE FROM subscription WHERE session NOT IN (SELECT id FROM session)',
  'DELETE FROM outgoing WHERE session NOT IN (SELECT id FROM session)',
  'DELETE FROM incoming WHERE session NOT IN (SELECT id FROM session)',
  'DELETE FROM message WHERE id NOT IN (SELECT message FROM outgoing)',
].map((sql) => ({ sql, args: [] }))

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

/** Ends sessions whose clients have been away since `beforeMs`, tidies the tables and reads them. Names are read as bytes, since as text they would end at a U+0000. */
export async function loadSessions(state: State, beforeMs: number): Promise<SavedSessions> {
  await state.write([{ sql: 'DELETE FROM session WHERE away_since <= ?', args: [beforeMs] }, ...sweep])
  const rows = (sql: string) => state.read({ sql, args: [] })
  const [sessions, subscriptions, messages, outgoing, incoming, retained, wills] = await Promise.all([
    rows('SELECT id, CAST(client_id AS BLOB), away_since FROM session ORDER BY id'),
    rows('SELECT session, CAST(filter AS BLOB), qos FROM subscription'),
    rows('SELECT id, CAST(topic AS BLOB), payload FROM message'),
    rows('SELECT session, message, qos, packet_id, is_released FROM outgoing ORDER BY message'),
    rows('SELECT session, packet_id FROM incoming'),
    rows('SELECT CAST(topic AS BLOB), payload, qos, version FROM retained ORDER BY version'),
    rows(
      'SELECT id, CAST(client_id AS BLOB), CAST(topic AS BLOB), payload, qos, retain FROM will ORDER BY id',
    ),
  ])
  const highest = [
    ...sessions.map(([id]) => id),
    ...outgoing.map(([, message]) => message),
    ...retained.map(([, , , version]) => version),
    ...wills.map(([id]) => id),
  ].reduce<number>((most, id) => Math.max(most, toNumber(id)), 0)
  return {
    highestId: highest,
    sessions: sessions.map(([id, name, away]) => ({
      id: toNumber(id),
      clientId: toText(name),
      awaySinceMs: toOptional(away),
    })),
    subscriptions: subscriptions.map(([session, filter, qos]) => ({
      session: toNumber(session),
      filter: toText(filter),
      qos: toQos(qos),
    })),
    messages: messages.map(([id, topic, payload]) => ({
      id: toNumber(id),
      topic: toText(topic),
      payload: toBuffer(payload),
    })),
    outgoing: outgoing.map(([session, message, qos, packetId, isReleased]) => ({
      session: toNumber(session),
      message: toNumber(message),
      qos: qos === 2 ? 2 : 1,
      packetId: toOptional(packetId),
      isReleased: isReleased === 1,
    })),
    incoming: incoming.map(([session, packetId]) => ({
      session: toNumber(session),
      packetId: toNumber(packetId),
    })),
    retained: retained.map(([topic, payload, qos, version]) => ({
      ...toPublish(topic, payload, qos),
      version: toNumber(version),
    })),
    wills: wills.map(([id, clientId, topic, payload, qos, retain]) => ({
      id: toNumber(id),
      clientId: toText(clientId),
      retain: retain === 1,
      ...toPublish(topic, payload, qos),
    })),
  }
}

function toPublish(
  topic: Value | undefined,
  payload: Value | undefined,
  qos: Value | undefined,
): SavedPublish {
  return { topic: toText(topic), payload: toBuffer(payload), qos: toQos(qos) }
}

function toNumber(value: Value | undefined): number {
  return Number(value ?? 0)
}

function toOptional(value: Value | undefined): number | undefined {
  return value === null || value === undefined ? undefined : Number(value)
}

function toQos(value: Value | undefined): 0 | 1 | 2 {
  return value === 2 ? 2 : value === 1 ? 1 : 0
}

function toBuffer(value: Value | undefined): Buffer {
  return value instanceof Uint8Array
    ? Buffer.from(value.buffer, value.byteOffset, value.length)
    : Buffer.alloc(0)
}

function toText(value: Value | undefined): string {
  return toBuffer(value).toString()
}
