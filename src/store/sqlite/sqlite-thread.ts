import type { Worker } from 'node:worker_threads'
import type { Store } from '../store.js'
import { StoreError } from '../store-error.js'
import { loadWorker } from './load-worker.js'
import {
  type Answer,
  type CallOf,
  type Method,
  OPENED,
  type ResultOf,
  type ThreadStart,
  unpackError,
} from './thread-protocol.js'

/** A thread for one file, seen from outside. */
export interface SqliteThread {
  /** Has it open the file, once; rejects with the StoreError that it could not be opened with. */
  open(start: ThreadStart): Promise<void>
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

/** Starts the thread, which loads SQLite before it is asked for anything. */
export function startSqliteThread(): SqliteThread {
  const { worker, stop } = loadWorker(new URL('./sqlite-worker.js', import.meta.url))
  const waiting = new Map<number, Waiting>()
  let lastId = OPENED
  let hasEnded = false
  let reason = 'it was stopped'
  let path = 'a file'

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
    for (const caller of waiting.values()) caller.reject(ended(path, reason))
    waiting.clear()
  })

  function open(start: ThreadStart): Promise<void> {
    path = start.path
    return new Promise((resolve, reject) => {
      if (hasEnded) throw ended(path, reason)
      worker.postMessage(start)
      waiting.set(OPENED, { resolve: () => resolve(), reject })
    })
  }

  function call<M extends Method>(method: M, args: Parameters<Store[M]>) {
    return new Promise<ResultOf<M>>((resolve, reject) => {
      if (hasEnded) throw ended(path, reason)
      lastId += 1
      const message: CallOf<M> = { id: lastId, method, args }
      send(worker, message)
      // The other side is compiled with this one: it answers a method with that method's result.
      waiting.set(lastId, { resolve: (value) => resolve(value as ResultOf<M>), reject })
    })
  }

  return { open, hasEnded: () => hasEnded, call, stop }
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
