import type { Logger } from '../../log/logger.js'
import { createRateLimit } from '../../log/rate-limit.js'
import type { State, Statement } from '../../store/state.js'
import { StoreError } from '../../store/store-error.js'
import { createPatientWrites } from './patient-writes.js'

/** Writes what changes in sessions to the state file. */
export interface SessionJournal {
  /** It is on disk when the promise resolves; rejects when the file refuses. */
  write(statements: readonly Statement[]): Promise<void>
  /**
   * The same for what has already happened, or what nobody waits for: never rejects, and what the file refuses
   * is tried again until it takes it.
   */
  settle(statements: readonly Statement[]): Promise<void>
  /** As `write`, for a client that waits for the answer: see `PatientWrites`. */
  persist(statements: readonly Statement[], isWanted: () => boolean): Promise<void>
  /** Whether the file takes writes. Where it refused the last one, it is asked. */
  isWell(): Promise<boolean>
  close(): Promise<void>
}

const MINUTE_MS = 60_000
const RETRY_AFTER_MS = 1000

/** Some 20 MiB. Beyond it the oldest are given up: what they delete is sent to its client once more. */
const MAX_OWED = 100_000

/** Changes nothing, and is written all the same. */
const PROBE: readonly Statement[] = [
  { sql: 'INSERT INTO incoming (session, packet_id) VALUES (-1, -1)', args: [] },
  { sql: 'DELETE FROM incoming WHERE session = -1', args: [] },
]

const yes = (): boolean => true
const no = (): boolean => false

/** What could never be carried out. */
function isRejected(error: unknown): boolean {
  return error instanceof StoreError && error.code === 'STORE_REJECTED'
}

/** The journal on an open file, which it closes. */
export function createSessionJournal(state: State, log: Logger): SessionJournal {
  const limit = createRateLimit(MINUTE_MS, 1)
  let owed: Statement[] = []
  let timer: NodeJS.Timeout | undefined
  let isWell = true
  let isClosed = false

  const write = async (statements: readonly Statement[]): Promise<void> => {
    try {
      await state.write(statements)
      if (!isWell) log.info('sessions are saved again')
      isWell = true
    } catch (error) {
      if (isClosed) throw error
      isWell = false
      const missed = limit.admit('write')
      if (missed !== undefined) {
        log.error(
          { error: String(error), ...(missed > 0 ? { alsoFailed: missed } : {}) },
          'sessions cannot be saved; what depends on it is not acknowledged, and tried again',
        )
      }
      throw error
    }
  }

  const patient = createPatientWrites({
    write,
    isFinal: (error) => isClosed || isRejected(error),
    retryAfterMs: RETRY_AFTER_MS,
  })

  const settle = async (statements: readonly Statement[]): Promise<void> => {
    try {
      await write(statements)
    } catch (error) {
      // What could never be carried out would keep the rest from it.
      if (isClosed || isRejected(error)) return
      owed = [...owed, ...statements].slice(-MAX_OWED)
      timer ??= setTimeout(() => {
        timer = undefined
        void settle(owed.splice(0))
      }, RETRY_AFTER_MS).unref()
    }
  }

  return {
    write,
    settle,
    persist: patient.persist,
    isWell: async () => isWell || write(PROBE).then(yes, no),
    async close() {
      if (owed.length > 0) await state.write(owed).catch(() => undefined) // logged when they failed first
      isClosed = true
      patient.stop()
      clearTimeout(timer)
      await state.close()
    },
  }
}
