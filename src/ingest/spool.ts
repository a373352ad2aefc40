import type { Tally } from '../metrics/tally.js'
import { openState } from '../store/open-state.js'
import type { State, StateKind, Statement, Value } from '../store/state.js'
import type { DeviceMessage } from './accepted.js'
import { createSpoolTimes, newestTimeMs, type SpoolTimes } from './spool-times.js'

/** Messages on disk that wait for the database. Its size is kept in the tally. */
export interface Spool extends Pick<SpoolTimes, 'split'> {
  /**
   * Resolves with `true` when the messages are on disk, behind all that came before, and with `false` when
   * there is no room for them. Rejects with a `StoreError` when the disk does not take them.
   */
  append(messages: readonly DeviceMessage[]): Promise<boolean>
  /** The oldest messages, about `most` of them; `undefined` when there are none. Rejects with a `StoreError`. */
  oldest(most: number): Promise<SpooledMessages | undefined>
  /** Forgets what `oldest` gave last. */
  remove(done: SpooledMessages): Promise<void>
  close(): Promise<void>
}

/** Some messages from the spool. */
export interface SpooledMessages {
  readonly messages: readonly DeviceMessage[]
  /** Rows that are none of ours any more: a disk can lie. */
  readonly unreadable: readonly string[]
  /** Of the last row, and what all rows together hold. */
  readonly lastId: number
  readonly count: number
  readonly bytes: number
}

// A row is a batch: a thousand messages cost one statement. No id is ever used twice, so that a row cannot be
// taken for another one that was removed.
const KIND: StateKind = {
  holds: 'messages that were acknowledged and are not in the database yet',
  tables: [
    `CREATE TABLE IF NOT EXISTS spooled (
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      messages INTEGER NOT NULL,
      bytes INTEGER NOT NULL,
      received_at INTEGER NOT NULL,
      content TEXT NOT NULL
    )`,
    // Of all that is there, for the next run; in a table of its own, for the first files had none.
    'CREATE TABLE IF NOT EXISTS newest (id INTEGER PRIMARY KEY CHECK (id = 1), time_ms INTEGER NOT NULL)',
  ],
}

const NOTE_NEWEST = `INSERT INTO newest (id, time_ms) VALUES (1, ?)
  ON CONFLICT (id) DO UPDATE SET time_ms = MAX(time_ms, excluded.time_ms)`
const FORGET_NEWEST = 'DELETE FROM newest WHERE NOT EXISTS (SELECT 1 FROM spooled)'

const NOTHING = { spoolMessages: 0, spoolBytes: 0, spoolOldestMs: undefined } satisfies Partial<Tally>

/** What a row takes beside its content. */
const ROW_BYTES = 64

/** In memory at once, unless a single row has more. */
const MAX_READ_BYTES = 4 * 1024 * 1024

/** In quiet times a row holds a single message. */
const MAX_ROWS = 1000

/**
 * Opens the spool in the file at `path`, for up to `maxBytes` of messages.
 *
 * @throws StoreError when the file cannot be used or is damaged; the message says what to do.
 */
export async function openSpool(path: string, maxBytes: number, tally: Tally): Promise<Spool> {
  const state = await openState(path, KIND)
  try {
    await measure(state, tally)
    const times = createSpoolTimes(await newestLeft(state, tally))
    return spoolOn(state, times, maxBytes, tally)
  } catch (error) {
    await state.close()
    throw error
  }
}

async function newestLeft(state: State, tally: Tally): Promise<number | undefined> {
  if (tally.spoolMessages === 0) return undefined
  const [row] = await state.read(query('SELECT MAX(time_ms) FROM newest'))
  return Number(row?.[0] ?? Date.now())
}

async function measure(state: State, tally: Tally): Promise<void> {
  const [row] = await state.read(query('SELECT SUM(messages), SUM(bytes), MIN(received_at) FROM spooled'))
  tally.spoolMessages = Number(row?.[0] ?? 0)
  tally.spoolBytes = Number(row?.[1] ?? 0)
  tally.spoolOldestMs = tally.spoolMessages === 0 ? undefined : Number(row?.[2])
}

function spoolOn(state: State, times: SpoolTimes, maxBytes: number, tally: Tally): Spool {
  /** On their way to the disk; they count against the bound. */
  let pendingBytes = 0

  return {
    async append(messages) {
      const [first] = messages
      if (first === undefined) return true
      const content = JSON.stringify(messages.map(toSpooled))
      const bytes = Buffer.byteLength(content) + ROW_BYTES
      if (tally.spoolBytes + pendingBytes + bytes > maxBytes) return false
      pendingBytes += bytes
      try {
        await state.write([
          query('INSERT INTO spooled (messages, bytes, received_at, content) VALUES (?, ?, ?, ?)', [
            messages.length,
            bytes,
            first.receivedAtMs,
            content,
          ]),
          query(NOTE_NEWEST, [newestTimeMs(messages)]),
        ])
      } finally {
        pendingBytes -= bytes
      }
      times.note(messages)
      tally.spoolMessages += messages.length
      tally.spoolBytes += bytes
      tally.spoolOldestMs ??= first.receivedAtMs
      return true
    },
    split: times.split,
    async oldest(most) {
      const sizes = await state.read(
        query('SELECT id, messages, bytes, received_at FROM spooled ORDER BY id LIMIT ?', [MAX_ROWS]),
      )
      const end = findEnd(sizes, most)
      if (end === undefined) {
        Object.assign(tally, NOTHING) // also where the disk did more, or less, than it said
        times.clear()
        return undefined
      }
      tally.spoolOldestMs = Number(sizes[0]?.[3])
      const rows = await state.read(
        query('SELECT content FROM spooled WHERE id <= ? ORDER BY id', [end.lastId]),
      )
      return { ...end, ...readRows(rows) }
    },
    async remove({ lastId, count, bytes }) {
      await state.write([query('DELETE FROM spooled WHERE id <= ?', [lastId]), query(FORGET_NEWEST)])
      tally.spoolMessages = Math.max(0, tally.spoolMessages - count)
      tally.spoolBytes = Math.max(0, tally.spoolBytes - bytes)
      if (tally.spoolMessages > 0) return
      times.clear()
      tally.spoolOldestMs = undefined
      await state.shrink().catch(() => undefined) // the room is used again, or given back another time
    },
    close: state.close,
  }
}

/** How far the oldest `most` messages reach; at least one row, if there is one. */
function findEnd(
  sizes: readonly (readonly Value[])[],
  most: number,
): { lastId: number; count: number; bytes: number } | undefined {
  let end: { lastId: number; count: number; bytes: number } | undefined
  for (const [id, messages, size] of sizes) {
    const count = (end?.count ?? 0) + Number(messages)
    const bytes = (end?.bytes ?? 0) + Number(size)
    if (end !== undefined && (count > most || bytes > MAX_READ_BYTES)) break
    end = { lastId: Number(id), count, bytes }
  }
  return end
}

function readRows(rows: readonly (readonly Value[])[]) {
  const messages: DeviceMessage[] = []
  const unreadable: string[] = []
  for (const [content] of rows) {
    try {
      messages.push(...parseRow(String(content)))
    } catch {
      unreadable.push(String(content))
    }
  }
  return { messages, unreadable }
}

/** @throws Error for what `append` has not written. */
function parseRow(content: string): readonly DeviceMessage[] {
  const found: unknown = JSON.parse(content)
  if (Array.isArray(found) && found.every(isMessage)) return found
  throw new Error('no messages')
}

/** A sample: whoever wrote a text that has these meant it. */
function isMessage(value: Partial<DeviceMessage> | null): value is DeviceMessage {
  return (
    typeof value?.receivedAtMs === 'number' &&
    typeof value.device?.id === 'number' &&
    Array.isArray(value.report?.readings)
  )
}

/** What is needed to write a message later. The device's secret is none of it. */
function toSpooled({ device: { id, uuid, deviceId }, report, receivedAtMs }: DeviceMessage): DeviceMessage {
  return { device: { id, uuid, deviceId }, report, receivedAtMs }
}

function query(sql: string, args: readonly Value[] = []): Statement {
  return { sql, args }
}
