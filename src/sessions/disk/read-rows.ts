import type { State, Value } from '../../store/state.js'

/** A table of the state file, and what is to be read of it. */
export interface Reading {
  readonly table: string
  /** A column of whole numbers in whose order, or near it, the rows lie. */
  readonly key: string
  /** Columns of whole numbers or `NULL`. */
  readonly numbers: readonly string[]
  /** Columns of texts or bytes. */
  readonly bytes: readonly string[]
}

/** A row, with its columns in the order in which they were asked for. */
export interface SavedRow {
  readonly numbers: readonly (number | null)[]
  readonly bytes: readonly Buffer[]
}

/** What is read together, by its bytes: some 20 ms of the thread for small messages. */
const PART_BYTES = 4_000_000

/** What a row takes beside its bytes, as JSON. */
const ROW_BYTES = 60

/**
 * Reads a whole table, ordered by the first number. A row by itself costs some 15 µs, most of it in the driver and
 * on its way between the threads; so SQLite makes one row of thousands, whose numbers are JSON and whose bytes
 * are one after the other. Texts are read as bytes, since as text they would end at a U+0000.
 */
export async function readRows(state: State, reading: Reading): Promise<readonly SavedRow[]> {
  const bounds = await state.read({ sql: boundsOf(reading), args: [] })
  const sql = partOf(reading)
  const parts = await Promise.all(bounds.map(([from = null, to = null]) => readPart(state, sql, [from, to])))
  return parts.flat().sort((one, other) => Number(one.numbers[0]) - Number(other.numbers[0]))
}

/** Ranges of the key, each of which holds one part. */
function boundsOf({ table, key, bytes }: Reading): string {
  const size = [ROW_BYTES, ...bytes.map((column) => `length(${column})`)].join(' + ')
  return `SELECT min(place), max(place) FROM
    (SELECT ${key} AS place, sum(${size}) OVER (ORDER BY ${key}) / ${PART_BYTES} AS part FROM ${table}) GROUP BY part`
}

function partOf({ table, key, numbers, bytes }: Reading): string {
  const blobs = bytes.map((column) => `CAST(${column} AS BLOB)`)
  const row = [...numbers, ...blobs.map((blob) => `length(${blob})`)].join(', ')
  const columns = [
    `json_group_array(json_array(${row}))`,
    ...blobs.map((blob) => `CAST(group_concat(${blob}, '') AS BLOB)`),
  ]
  return `SELECT ${columns.join(', ')} FROM ${table} WHERE ${key} BETWEEN ? AND ?`
}

async function readPart(state: State, sql: string, args: readonly Value[]): Promise<readonly SavedRow[]> {
  const [[json, ...blobs] = []] = await state.read({ sql, args })
  const columns = blobs.map(toBuffer)
  const ends = columns.map(() => 0)
  return parseRows(json).map((values) => {
    const numbers = values.slice(0, values.length - columns.length)
    const bytes = columns.map((column, index) => {
      const from = ends[index] ?? 0
      const to = from + Number(values[numbers.length + index])
      ends[index] = to
      return Buffer.from(column.subarray(from, to)) // as a part of it, it would keep all of it
    })
    return { numbers, bytes }
  })
}

function parseRows(json: Value | undefined): (number | null)[][] {
  const rows: unknown = JSON.parse(String(json))
  if (!Array.isArray(rows)) return []
  return rows.filter(Array.isArray).map((row) => row.map((value) => (value === null ? null : Number(value))))
}

function toBuffer(value: Value): Buffer {
  return value instanceof Uint8Array
    ? Buffer.from(value.buffer, value.byteOffset, value.length)
    : Buffer.alloc(0)
}
