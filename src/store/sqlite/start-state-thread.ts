import type { State, Statement } from '../state.js'
import type { StateThread } from '../state-thread.js'
import { StoreError } from '../store-error.js'
import { loadWorker } from './load-worker.js'
import type { FileRequest, Numbered, Outcome, StateAnswer, StateRequest } from './state-protocol.js'
import { unpackError } from './thread-protocol.js'

/** Statements in one commit: some 50 ms of the thread, so that a caller is not kept waiting for long. */
const MAX_STATEMENTS = 10_000

interface Write {
  readonly statements: readonly Statement[]
  readonly settle: (outcome: Outcome) => void
}

/** Starts the thread, which loads SQLite before it is asked for anything. */
export function startStateThread(): StateThread {
  const thread = startThread()
  let lastFile = 0
  return {
    async open(path, kind, { isShared = false } = {}) {
      lastFile += 1
      const file = lastFile
      const opened = await thread.ask(path, { kind: 'open', file, path, holds: kind, isShared })
      if (opened.kind === 'failed') throw unpackError(opened.error)
      return fileOf((request) => thread.ask(path, { ...request, file }))
    },
    stop: thread.stop,
  }
}

interface Thread {
  /** Asks about the file at `path`; what gets no answer has failed. */
  ask(path: string, request: StateRequest): Promise<StateAnswer>
  stop(): Promise<void>
}

function startThread(): Thread {
  const { worker, stop } = loadWorker(new URL('./state-worker.js', import.meta.url))
  const waiting = new Map<number, { path: string; settle: (answer: StateAnswer) => void }>()
  let lastId = 0
  let ended: string | undefined

  worker.on('message', ({ id, content }: Numbered<StateAnswer>) => {
    const caller = waiting.get(id)
    waiting.delete(id)
    caller?.settle(content)
  })
  const end = (reason: string): void => {
    ended ??= reason
    for (const { path, settle } of waiting.values()) settle(closed(path, reason))
    waiting.clear()
  }
  worker.on('error', (error) => end(String(error)))
  worker.on('exit', () => end('its thread has ended'))

  return {
    ask: (path, request) =>
      new Promise((resolve) => {
        if (ended !== undefined) {
          resolve(closed(path, ended))
          return
        }
        lastId += 1
        const message: Numbered<StateRequest> = { id: lastId, content: request }
        worker.postMessage(message)
        waiting.set(lastId, { path, settle: resolve })
      }),
    stop,
  }
}

function fileOf(ask: (request: FileRequest) => Promise<StateAnswer>): State {
  const commits = createGroupCommit((writes) =>
    ask({ kind: 'write', writes: writes.map(({ statements }) => statements) }),
  )
  return {
    write: commits.write,
    async read(statement) {
      await commits.idle()
      const answer = await ask({ kind: 'read', statement })
      if (answer.kind === 'rows') return answer.rows
      throw failure(answer)
    },
    async shrink(mostPages = 0) {
      await commits.idle()
      const answer = await ask({ kind: 'shrink', mostPages })
      if (answer.kind !== 'shrunk') throw failure(answer)
    },
    async close() {
      await commits.idle()
      await ask({ kind: 'close' })
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
  return { kind: 'failed', error: { code: 'STORE_UNAVAILABLE', message: String(error) } }
}

function closed(path: string, reason: string): StateAnswer {
  return {
    kind: 'failed',
    error: { code: 'STORE_UNAVAILABLE', message: `${path} is closed (${reason})` },
  }
}

function failure(answer: StateAnswer): StoreError {
  const outcome = toOutcome(answer)
  return outcome.isDone ? new StoreError('STORE_UNAVAILABLE', 'no rows') : unpackError(outcome.error)
}
