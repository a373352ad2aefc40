import { mkdirSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { parentPort } from 'node:worker_threads'
import type { Client, InValue } from '@libsql/client/sqlite3'
import type { Statement, Value } from '../state.js'
import { StoreError } from '../store-error.js'
import { lockFile } from './lock-file.js'
import { openFile } from './open-file.js'
import { sqliteError, sqliteOpenError } from './sqlite-error.js'
import type {
  FileRequest,
  Numbered,
  OpenRequest,
  Outcome,
  StateAnswer,
  StateRequest,
} from './state-protocol.js'
import { LOADED, packError, takeMessages } from './thread-protocol.js'

// The thread that state files may block. It answers in the order in which it is asked.

if (parentPort === null) throw new Error('state-worker.js is not a program; start damselfly instead')
const port = parentPort

/** An open file. */
interface StateFile {
  readonly path: string
  readonly client: Client
  /** Lets other processes have it. */
  readonly unlock: () => void
}

const files = new Map<number, StateFile>()

let last: Promise<void> = Promise.resolve()

takeMessages(port, ({ id, content }: Numbered<StateRequest>) => {
  last = last.then(async () => {
    const message: Numbered<StateAnswer> = { id, content: await answer(content) }
    port.postMessage(message)
  })
})
port.postMessage(LOADED)

async function answer(request: StateRequest): Promise<StateAnswer> {
  if (request.kind === 'open') return open(request)
  const file = files.get(request.file)
  if (file === undefined) {
    return { kind: 'failed', error: { code: 'STORE_UNAVAILABLE', message: 'the file is closed' } }
  }
  if (request.kind === 'close') files.delete(request.file)
  try {
    return await perform(file, request)
  } catch (error) {
    return { kind: 'failed', error: packError(stateError(error, file.path)) }
  }
}

async function open({ file, path, holds, isShared }: OpenRequest): Promise<StateAnswer> {
  try {
    mkdirSync(dirname(resolve(path)), { recursive: true, mode: 0o700 })
    const unlock = isShared ? () => undefined : await lockFile(path)
    try {
      const client = await openFile(path, holds)
      files.set(file, { path, client, unlock })
      await client.execute('PRAGMA synchronous = FULL')
    } catch (error) {
      files.get(file)?.client.close()
      files.delete(file)
      unlock()
      throw error
    }
    return { kind: 'opened' }
  } catch (error) {
    return { kind: 'failed', error: packError(sqliteOpenError(error, path)) }
  }
}

async function perform(file: StateFile, request: FileRequest): Promise<StateAnswer> {
  const { client } = file
  if (request.kind === 'write') return { kind: 'written', outcomes: await write(file, request.writes) }
  if (request.kind === 'read') return { kind: 'rows', rows: await read(file, request.statement) }
  if (request.kind === 'shrink') {
    // Carried out to its end only in this form.
    await client.executeMultiple(
      `PRAGMA incremental_vacuum(${request.mostPages}); PRAGMA wal_checkpoint(TRUNCATE)`,
    )
    return { kind: 'shrunk' }
  }
  client.close()
  file.unlock()
  return { kind: 'closed' }
}

/** All in one transaction; or, where a statement could never be carried out, each caller's in its own. */
async function write(
  { client, path }: StateFile,
  writes: readonly (readonly Statement[])[],
): Promise<readonly Outcome[]> {
  try {
    await commit(client, writes.flat())
    return []
  } catch (error) {
    if (writes.length === 1 || stateError(error, path).code !== 'STORE_REJECTED')
      throw stateError(error, path)
  }
  const outcomes: Outcome[] = []
  for (const statements of writes) {
    try {
      await commit(client, statements)
      outcomes.push({ isDone: true })
    } catch (error) {
      outcomes.push({ isDone: false, error: packError(stateError(error, path)) })
    }
  }
  return outcomes
}

/** As for the store; but a statement that SQLite does not understand is no better the next time. */
function stateError(error: unknown, path: string): StoreError {
  const known = sqliteError(error, path)
  if (!known.message.includes('(SQLITE_ERROR)')) return known
  return new StoreError('STORE_REJECTED', known.message.slice(`${known.code}: `.length))
}

async function commit(client: Client, statements: readonly Statement[]): Promise<void> {
  if (statements.length === 0) return
  await client.batch(statements.map(toLibsql), 'write')
}

async function read(
  { client, path }: StateFile,
  statement: Statement,
): Promise<readonly (readonly Value[])[]> {
  const { rows, columns } = await client.execute(toLibsql(statement))
  return rows.map((row) => columns.map((_name, index) => toValue(row[index], path)))
}

function toLibsql({ sql, args }: Statement): { sql: string; args: InValue[] } {
  return { sql, args: [...args] }
}

function toValue(value: unknown, path: string): Value {
  if (value instanceof ArrayBuffer) return new Uint8Array(value)
  if (value === null || typeof value === 'string' || typeof value === 'number') return value
  if (typeof value === 'bigint' || value instanceof Uint8Array) return value
  throw new StoreError('STORE_REJECTED', `${path} has a value of an unknown kind`)
}
