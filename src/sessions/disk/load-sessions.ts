import type { State, Statement } from '../../store/state.js'
import { type Reading, readRows, type SavedRow } from './read-rows.js'
import type { SavedPublish, SavedSessions } from './session-file.js'

/** What is left behind where the process ended between two commits that belong together. */
const sweep: readonly Statement[] = [
  'DELETE FROM session WHERE id NOT IN (SELECT max(id) FROM session GROUP BY client_id)',
  'DELETE FROM subscription WHERE session NOT IN (SELECT id FROM session)',
  'DELETE FROM outgoing WHERE session NOT IN (SELECT id FROM session)',
  'DELETE FROM incoming WHERE session NOT IN (SELECT id FROM session)',
  'DELETE FROM message WHERE id NOT IN (SELECT message FROM outgoing)',
].map((sql) => ({ sql, args: [] }))

const readings = {
  sessions: { table: 'session', key: 'id', numbers: ['id', 'away_since'], bytes: ['client_id'] },
  subscriptions: {
    table: 'subscription',
    key: 'session',
    numbers: ['session', 'qos'],
    bytes: ['filter'],
  },
  messages: { table: 'message', key: 'id', numbers: ['id'], bytes: ['topic', 'payload'] },
  outgoing: {
    table: 'outgoing',
    key: 'session',
    numbers: ['message', 'session', 'qos', 'packet_id', 'is_released'],
    bytes: [],
  },
  incoming: { table: 'incoming', key: 'session', numbers: ['session', 'packet_id'], bytes: [] },
  retained: { table: 'retained', key: 'rowid', numbers: ['version', 'qos'], bytes: ['topic', 'payload'] },
  wills: {
    table: 'will',
    key: 'id',
    numbers: ['id', 'qos', 'retain'],
    bytes: ['client_id', 'topic', 'payload'],
  },
} as const satisfies Readonly<Record<string, Reading>>

/** Ends sessions whose clients have been away since `beforeMs`, tidies the tables and reads them. */
export async function loadSessions(state: State, beforeMs: number): Promise<SavedSessions> {
  await state.write([{ sql: 'DELETE FROM session WHERE away_since <= ?', args: [beforeMs] }, ...sweep])
  const rowsOf = (reading: Reading) => readRows(state, reading)
  const [sessions, subscriptions, messages, outgoing, incoming, retained, wills] = await Promise.all([
    rowsOf(readings.sessions),
    rowsOf(readings.subscriptions),
    rowsOf(readings.messages),
    rowsOf(readings.outgoing),
    rowsOf(readings.incoming),
    rowsOf(readings.retained),
    rowsOf(readings.wills),
  ])
  const numbered = [sessions, outgoing, retained, wills].map((rows) => Number(rows.at(-1)?.numbers[0] ?? 0))
  return {
    highestId: Math.max(...numbered),
    sessions: sessions.map(({ numbers: [id, away], bytes: [name] }) => ({
      id: Number(id),
      clientId: toText(name),
      awaySinceMs: away ?? undefined,
    })),
    subscriptions: subscriptions.map(({ numbers: [session, qos], bytes: [filter] }) => ({
      session: Number(session),
      filter: toText(filter),
      qos: toQos(qos),
    })),
    messages: messages.map(({ numbers: [id], bytes: [topic, payload] }) => ({
      id: Number(id),
      topic: toText(topic),
      payload: payload ?? Buffer.alloc(0),
    })),
    outgoing: outgoing.map(({ numbers: [message, session, qos, packetId, isReleased] }) => ({
      session: Number(session),
      message: Number(message),
      qos: qos === 2 ? 2 : 1,
      packetId: packetId ?? undefined,
      isReleased: isReleased === 1,
    })),
    incoming: incoming.map(({ numbers: [session, packetId] }) => ({
      session: Number(session),
      packetId: Number(packetId),
    })),
    retained: retained.map(({ numbers: [version, qos], bytes: [topic, payload] }) => ({
      ...toPublish(qos, topic, payload),
      version: Number(version),
    })),
    wills: wills.map(({ numbers: [id, qos, retain], bytes: [clientId, topic, payload] }) => ({
      id: Number(id),
      clientId: toText(clientId),
      retain: retain === 1,
      ...toPublish(qos, topic, payload),
    })),
  }
}

type Bytes = SavedRow['bytes'][number] | undefined

function toPublish(qos: number | null | undefined, topic: Bytes, payload: Bytes): SavedPublish {
  return { topic: toText(topic), payload: payload ?? Buffer.alloc(0), qos: toQos(qos) }
}

function toQos(value: number | null | undefined): 0 | 1 | 2 {
  return value === 2 ? 2 : value === 1 ? 1 : 0
}

function toText(bytes: Bytes): string {
  return bytes?.toString() ?? ''
}
