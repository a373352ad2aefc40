import { Worker } from 'node:worker_threads'
import type { Store } from '../store.js'
import { StoreError } from '../store-error.js'
import {
  type Answer,
  type CallOf,
  type Method,
  OPENED,
  type ResultOf,
  type ThreadStart,
  unpackError,
} from './thread-protocol.js'

/** The thread that has the file open, seen from outside. */
export interface SqliteThread {
  /** Resolves when the file is open; rejects with the StoreError that it could not be opened with. */
  readonly opened: Promise<void>
  hasEnded(): boolean
  /** Rejects with STORE_UNAVAILABLE too when the thread ends before it answers. */
  call<M extends Method>(method: M, args: Parameters<Store[M]>): Promise<ResultOf<M>>
  /** Ends the thread, whatever it is doing. */
  stop(): Promise<void>
}

interface Waiting {
  resolve(value: unknown): void
  reject(error: StoreError): void
}

/** Starts the thread. */
export function startSqliteThread(start: ThreadStart): SqliteThread {
  const worker = new Worker(new URL('./sqlite-worker.js', import.meta.url), {
    workerData: start,
    // Some of the options that a process may have been started with keep a thread from starting.
    execArgv: [],
  })
  const waiting = new Map<number, Waiting>()
  let lastId = OPENED
  let hasEnded = false
  let reason = 'it was stopped'

  worker.on('message', (answer: Answer) => {
    const caller = waiting.get(answer.id)
    waiting.delete(answer.id)
    if ('error' in answer) caller?.reject(unpackError(answer.error))
    else caller?.resolve(answer.value)
  })
  worker.on('error', (error) => {
    reason = String(error)
  })
  worker.on('exit', () => {
    hasEnded = true
    for (const caller of waiting.values()) caller.reject(ended(start.path, reason))
    waiting.clear()
  })

  const opened = new Promise<void>((resolve, reject) => {
    waiting.set(OPENED, { resolve: () => resolve(), reject })
  })

  function call<M extends Method>(method: M, args: Parameters<Store[M]>) {
    return new Promise<ResultOf<M>>((resolve, reject) => {
      if (hasEnded) throw ended(start.path, reason)
      lastId += 1
      const message: CallOf<M> = { id: lastId, method, args }
      send(worker, message)
      // The other side is compiled with this one: it answers a method with that method's result.
      waiting.set(lastId, { resolve: (value) => resolve(value as ResultOf<M>), reject })
    })
  }

  return {
    opened,
    hasEnded: () => hasEnded,
    call,
    async stop() {
      await worker.terminate()
    },
  }
}

function send<M extends Method>(worker: Worker, message: CallOf<M>): void {
  try {
    worker.postMessage(message)
  } catch (error) {
    // Values nested too deeply to be copied.
    throw new StoreError('STORE_REJECTED', `${message.method} cannot be passed on (${String(error)})`)
  }
}

function ended(path: string, reason: string): StoreError {
  return new StoreError('STORE_UNAVAILABLE', `the thread for ${path} has ended (${reason}); call again`)
}
