import { Worker } from 'node:worker_threads'
import type { State, StateKind, Statement } from '../state.js'
import { StoreError } from '../store-error.js'
import {
  type Outcome,
  STATE_OPENED,
  type StateAnswer,
  type StateRequest,
  type StateThreadStart,
} from './state-protocol.js'
import { unpackError } from './thread-protocol.js'

/** Statements in one commit: some 50 ms of the thread, so that a caller is not kept waiting for long. */
const MAX_STATEMENTS = 10_000

interface Write {
  readonly statements: readonly Statement[]
  readonly settle: (outcome: Outcome) => void
}

/** `openState` for a file at `path`, in a thread of its own, since SQLite blocks the one that it runs in. */
export async function openSqliteState(path: string, kind: StateKind, isShared: boolean): Promise<State> {
  const start: StateThreadStart = { path, kind, isShared }
  const worker = new Worker(new URL('./state-worker.js', import.meta.url), {
    workerData: start,
    // Some of the options that a process may have been started with keep a thread from starting.
    execArgv: [],
  })
  const waiting = new Map<number, (answer: StateAnswer) => void>()
  let lastId = STATE_OPENED
  let ended: StoreError | undefined

  worker.on('message', (answer: StateAnswer) => {
    const settle = waiting.get(answer.id)
    waiting.delete(answer.id)
    settle?.(answer)
  })
  const end = (reason: string): void => {
    ended ??= new StoreError('STORE_UNAVAILABLE', `${path} is closed (${reason})`)
    const error = { code: ended.code, message: reason }
    for (const [id, settle] of waiting) settle({ id, kind: 'failed', error })
    waiting.clear()
  }
  worker.on('error', (error) => end(String(error)))
  worker.on('exit', () => end('its thread has ended'))

  const ask = (request: StateRequest): Promise<StateAnswer> =>
    new Promise((resolve, reject) => {
      if (ended !== undefined) {
        reject(ended)
        return
      }
      waiting.set(request.id, resolve)
      worker.postMessage(request)
    })

  const opened = await new Promise<StateAnswer>((resolve) => waiting.set(STATE_OPENED, resolve))
  if (opened.kind === 'failed') {
    await worker.terminate()
    throw unpackError(opened.error)
  }
  const nextId = (): number => {
    lastId += 1
    return lastId
  }
  const commits = createGroupCommit((writes) =>
    ask({ id: nextId(), kind: 'write', writes: writes.map(({ statements }) => statements) }),
  )
  return {
    write: commits.write,
    async read(statement) {
      await commits.idle()
      const answer = await ask({ id: nextId(), kind: 'read', statement })
      if (answer.kind === 'rows') return answer.rows
      throw failure(answer)
    },
    async shrink(mostPages = 0) {
      await commits.idle()
      const answer = await ask({ id: nextId(), kind: 'shrink', mostPages })
      if (answer.kind !== 'shrunk') throw failure(answer)
    },
    async close() {
      await commits.idle()
      if (ended === undefined) await ask({ id: nextId(), kind: 'close' }).catch(() => undefined)
      await worker.terminate()
    },
  }
}

/** Sends what was written in one turn of the event loop, or during the commit before, together. */
function createGroupCommit(send: (writes: readonly Write[]) => Promise<StateAnswer>) {
  const pending: Write[] = []
  let isScheduled = false
  let running: Promise<void> = Promise.resolve()

  const takeGroup = (): Write[] => {
    let count = 0
    const tooMany = pending.findIndex(({ statements }, index) => {
      count += statements.length
      return index > 0 && count > MAX_STATEMENTS
    })
    return pending.splice(0, tooMany === -1 ? pending.length : tooMany)
  }

  const commit = async (): Promise<void> => {
    while (pending.length > 0) {
      const group = takeGroup()
      const answer = await send(group).catch((error: unknown) => asFailure(error))
      for (const [index, { settle }] of group.entries()) {
        settle(answer.kind === 'written' ? (answer.outcomes[index] ?? { isDone: true }) : toOutcome(answer))
      }
    }
    isScheduled = false
  }

  return {
    write: (statements: readonly Statement[]): Promise<void> =>
      new Promise((resolve, reject) => {
        const settle = (outcome: Outcome): void => {
          if (outcome.isDone) resolve()
          else reject(unpackError(outcome.error))
        }
        pending.push({ statements, settle })
        if (isScheduled) return
        isScheduled = true
        running = new Promise((done) => setImmediate(() => void commit().then(done)))
      }),
    /** Resolves when all that was written so far has its answer. */
    async idle(): Promise<void> {
      while (isScheduled) await running
    },
  }
}

function toOutcome(answer: StateAnswer): Outcome {
  return answer.kind === 'failed'
    ? { isDone: false, error: answer.error }
    : { isDone: false, error: { code: 'STORE_UNAVAILABLE', message: 'an answer to another question' } }
}

function asFailure(error: unknown): StateAnswer {
  return { id: STATE_OPENED, kind: 'failed', error: { code: 'STORE_UNAVAILABLE', message: String(error) } }
}

function failure(answer: StateAnswer): StoreError {
  const outcome = toOutcome(answer)
  return outcome.isDone ? new StoreError('STORE_UNAVAILABLE', 'no rows') : unpackError(outcome.error)
}
