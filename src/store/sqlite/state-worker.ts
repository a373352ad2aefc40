import { mkdirSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { parentPort, workerData } from 'node:worker_threads'
import type { Client, InValue } from '@libsql/client/sqlite3'
import type { Statement, Value } from '../state.js'
import { StoreError } from '../store-error.js'
import { lockFile } from './lock-file.js'
import { openFile } from './open-file.js'
import { sqliteError, sqliteOpenError } from './sqlite-error.js'
import {
  type Outcome,
  STATE_OPENED,
  type StateAnswer,
  type StateRequest,
  type StateThreadStart,
} from './state-protocol.js'
import { packError } from './thread-protocol.js'

// The thread that the state file may block. It answers in the order in which it is asked.

if (parentPort === null) throw new Error('state-worker.js is not a program; start damselfly instead')
const port = parentPort
const { path, kind, isShared }: StateThreadStart = workerData

const post = (answer: StateAnswer): void => port.postMessage(answer)

let last: Promise<void> = Promise.resolve()

try {
  const client = await open()
  port.on('message', (request: StateRequest) => {
    last = last.then(async () => post(await answer(client, request)))
  })
  post({ id: STATE_OPENED, kind: 'closed' })
} catch (error) {
  // Without a listener on the port the thread ends here.
  post({ id: STATE_OPENED, kind: 'failed', error: packError(sqliteOpenError(error, path)) })
}

async function open(): Promise<Client> {
  const file = resolve(path)
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  if (!isShared) await lockFile(path)
  const client = await openFile(path, kind)
  await client.execute('PRAGMA synchronous = FULL')
  return client
}

async function answer(client: Client, request: StateRequest): Promise<StateAnswer> {
  const { id } = request
  try {
    if (request.kind === 'write')
      return { id, kind: 'written', outcomes: await write(client, request.writes) }
    if (request.kind === 'read') return { id, kind: 'rows', rows: await read(client, request.statement) }
    if (request.kind === 'shrink') {
      // Carried out to its end only in this form.
      await client.executeMultiple(
        `PRAGMA incremental_vacuum(${request.mostPages}); PRAGMA wal_checkpoint(TRUNCATE)`,
      )
      return { id, kind: 'shrunk' }
    }
    client.close()
    return { id, kind: 'closed' }
  } catch (error) {
    return { id, kind: 'failed', error: packError(stateError(error)) }
  }
}

/** All in one transaction; or, where a statement could never be carried out, each caller's in its own. */
async function write(client: Client, writes: readonly (readonly Statement[])[]): Promise<readonly Outcome[]> {
  try {
    await commit(client, writes.flat())
    return []
  } catch (error) {
    if (writes.length === 1 || stateError(error).code !== 'STORE_REJECTED') throw stateError(error)
  }
  const outcomes: Outcome[] = []
  for (const statements of writes) {
    try {
      await commit(client, statements)
      outcomes.push({ isDone: true })
    } catch (error) {
      outcomes.push({ isDone: false, error: packError(stateError(error)) })
    }
  }
  return outcomes
}

/** As for the store; but a statement that SQLite does not understand is no better the next time. */
function stateError(error: unknown): StoreError {
  const known = sqliteError(error, path)
  if (!known.message.includes('(SQLITE_ERROR)')) return known
  return new StoreError('STORE_REJECTED', known.message.slice(`${known.code}: `.length))
}

async function commit(client: Client, statements: readonly Statement[]): Promise<void> {
  if (statements.length === 0) return
  await client.batch(statements.map(toLibsql), 'write')
}

async function read(client: Client, statement: Statement): Promise<readonly (readonly Value[])[]> {
  const { rows, columns } = await client.execute(toLibsql(statement))
  return rows.map((row) => columns.map((_name, index) => toValue(row[index])))
}

function toLibsql({ sql, args }: Statement): { sql: string; args: InValue[] } {
  return { sql, args: [...args] }
}

function toValue(value: unknown): Value {
  if (value instanceof ArrayBuffer) return new Uint8Array(value)
  if (value === null || typeof value === 'string' || typeof value === 'number') return value
  if (typeof value === 'bigint' || value instanceof Uint8Array) return value
  throw new StoreError('STORE_REJECTED', `${path} has a value of an unknown kind`)
}
