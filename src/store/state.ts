/** A value of a column, as SQLite has them. */
export type Value = string | number | bigint | Uint8Array | null

/** A statement with `?` for each of its arguments. */
export interface Statement {
  readonly sql: string
  readonly args: readonly Value[]
}

/** What a state file is for. */
export interface StateKind {
  /** What is lost with it, for people. */
  readonly holds: string
  /** These change nothing where they were carried out before (`CREATE TABLE IF NOT EXISTS`). */
  readonly tables: readonly string[]
}

/**
 * What this process has to remember over its end, beside what goes to the database: an embedded SQLite file of
 * its own, with tables of whoever uses it. Every method rejects with a `StoreError`: STORE_UNAVAILABLE for a
 * disk that is full or cannot be written, and STORE_REJECTED for a statement that could never be carried out.
 */
export interface State {
  /**
   * Carries out some statements, all or none; it is on disk when the promise resolves. What is called while
   * a commit is under way shares the next one, so that ten thousand calls cost a few. The order of the calls
   * is kept.
   */
  write(statements: readonly Statement[]): Promise<void>
  /** The rows that a statement yields, after all that was written before. */
  read(statement: Statement): Promise<readonly (readonly Value[])[]>
  /**
   * Gives the room of what was deleted back to the disk, `mostPages` of 4 KiB at the most; until then it is kept
   * for what comes.
   */
  shrink(mostPages?: number): Promise<void>
  /** Commits what was written, and closes the file. */
  close(): Promise<void>
}
