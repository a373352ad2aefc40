import { Worker } from 'node:worker_threads'
import { END } from './thread-protocol.js'

/** A thread that loads SQLite before it is asked for anything. */
export interface LoadingWorker {
  readonly worker: Worker
  /**
   * Ends it, but not while it loads, nor in the middle of a call if that does not take too long: a thread that is
   * ended in SQLite, or while that is half loaded, aborts the process.
   */
  stop(): Promise<void>
}

/** Less than a server takes for its stop; a call that waits for a lock is between two attempts most of the time. */
const ENDS_WITHIN_MS = 1000

/** Starts the thread of the module at `url`, whose first message, `LOADED`, says that it has loaded. */
export function loadWorker(url: URL): LoadingWorker {
  const worker = new Worker(url, {
    // Some of the options that a process may have been started with keep a thread from starting.
    execArgv: [],
  })
  const loaded = new Promise<void>((resolve) => {
    worker.once('message', () => resolve()).once('exit', () => resolve())
  })
  const ended = new Promise<void>((resolve) => {
    worker.once('exit', () => resolve())
  })
  return {
    worker,
    async stop() {
      await loaded
      worker.postMessage(END)
      const timer = setTimeout(() => void worker.terminate(), ENDS_WITHIN_MS)
      await ended
      clearTimeout(timer)
    },
  }
}
