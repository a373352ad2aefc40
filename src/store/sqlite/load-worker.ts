import { Worker } from 'node:worker_threads'

/** A thread that loads SQLite before it is asked for anything. */
export interface LoadingWorker {
  readonly worker: Worker
  /** Ends it, but not while it loads: a library that is half loaded could take the process with it. */
  stop(): Promise<void>
}

/** Starts the thread of the module at `url`, whose first message, `LOADED`, says that it has loaded. */
export function loadWorker(url: URL): LoadingWorker {
  const worker = new Worker(url, {
    // Some of the options that a process may have been started with keep a thread from starting.
    execArgv: [],
  })
  const loaded = new Promise<void>((resolve) => {
    worker.once('message', () => resolve()).once('exit', () => resolve())
  })
  return {
    worker,
    async stop() {
      await loaded
      await worker.terminate()
    },
  }
}
