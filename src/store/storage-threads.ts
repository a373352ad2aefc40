import type { DatabaseAddress } from '../config/database-url.js'
import { type SqliteThread, startSqliteThread } from './sqlite/sqlite-thread.js'
import { startStateThread } from './sqlite/start-state-thread.js'
import type { StateThread } from './state-thread.js'

/** The threads of a server, which load SQLite while everything else is loaded. They open no file by themselves. */
export interface StorageThreads {
  /** For the files of spool, sessions and presence: their commits are short, and seldom many at once. */
  readonly state: StateThread
  /** For the readings, which keep a thread busy; `undefined` where they go to a server. */
  readonly store: SqliteThread | undefined
  /** Ends them, after the files are closed. */
  stop(): Promise<void>
}

/** Starts the threads that a server with the database at `address` needs. */
export function startStorageThreads(address: DatabaseAddress): StorageThreads {
  const state = startStateThread()
  const store = address.kind === 'sqlite' ? startSqliteThread() : undefined
  return {
    state,
    store,
    async stop() {
      await Promise.all([state.stop(), store?.stop()])
    },
  }
}
