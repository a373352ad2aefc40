import { type SQL, sql } from 'drizzle-orm'
import type { MysqlDatabase } from './mysql-connections.js'
import { STATEMENT_BYTES } from './split-rows.js'

/** A statement, and how many bytes it can take at the most. */
export interface Statement {
  readonly sql: SQL
  readonly bytes: number
}

/** A statement whose only long value is `rows`: in a quoted literal no byte becomes more than two. */
export function statementOf(text: SQL, rows: string): Statement {
  return { sql: text, bytes: 2 * Buffer.byteLength(rows) + STATEMENT_BYTES }
}

/**
 * A transaction whose statements share packets: each round trip is a tenth of a millisecond on either side, and a batch
 * of few messages is little more than those. Fails with the first statement that does; its connection is useless then.
 */
export interface Transaction {
  /** Sends these, or keeps them to be sent with what comes. */
  run(statements: readonly Statement[]): Promise<void>
  /** Sends what is kept. */
  flush(): Promise<void>
  /** Resolves to the ids that the statements gave to new rows, after the commit. */
  commit(): Promise<readonly number[]>
}

/** Begins a transaction on a connection that takes several statements in a packet. */
export function startTransaction(db: MysqlDatabase, maxPacketBytes: number): Transaction {
  const insertIds: number[] = []
  let kept: SQL[] = [sql`START TRANSACTION`]
  let keptBytes = STATEMENT_BYTES

  const send = async (): Promise<void> => {
    const together = sql.join(kept, sql`;`)
    kept = []
    keptBytes = 0
    const [results] = await db.execute(together)
    for (const result of [results].flat()) if (result.insertId > 0) insertIds.push(result.insertId)
  }

  const run = async (statements: readonly Statement[]): Promise<void> => {
    for (const statement of statements) {
      if (kept.length > 0 && keptBytes + statement.bytes > maxPacketBytes / 2) await send()
      kept.push(statement.sql)
      keptBytes += statement.bytes
    }
  }

  return {
    run,
    async flush() {
      if (kept.length > 0) await send()
    },
    async commit() {
      await run([{ sql: sql`COMMIT`, bytes: STATEMENT_BYTES }])
      await send()
      return insertIds
    },
  }
}
