import type { Statement } from '../../store/state.js'

/** Writes that are tried again, in their order, while the client that waits for them is there. */
export interface PatientWrites {
  /** Resolves when it is on disk; rejects when it could never be, or nobody waits for it any more. */
  persist(statements: readonly Statement[], isWanted: () => boolean): Promise<void>
  /** Gives up what waits. */
  stop(): void
}

/** What the writing is done with. */
export interface PatientWritesParts {
  readonly write: (statements: readonly Statement[]) => Promise<void>
  /** Whether another attempt would fail as well. */
  readonly isFinal: (error: unknown) => boolean
  readonly retryAfterMs: number
}

interface Waiting {
  readonly statements: readonly Statement[]
  readonly isWanted: () => boolean
  resolve(): void
  reject(error: unknown): void
}

/** What waits is bounded by the clients that are connected. */
export function createPatientWrites({ write, isFinal, retryAfterMs }: PatientWritesParts): PatientWrites {
  let waiting: Waiting[] = []
  let timer: NodeJS.Timeout | undefined

  const keepWanted = (error: unknown): void => {
    for (const one of waiting) if (!one.isWanted()) one.reject(error)
    waiting = waiting.filter(({ isWanted }) => isWanted())
  }

  const retry = async (): Promise<void> => {
    for (let first = waiting[0]; first !== undefined; first = waiting[0]) {
      try {
        await write(first.statements)
        first.resolve()
      } catch (error) {
        if (!isFinal(error)) {
          keepWanted(error)
          break
        }
        first.reject(error)
      }
      const done = first
      waiting = waiting.filter((one) => one !== done)
    }
    timer = undefined
    if (waiting.length > 0) schedule()
  }

  const schedule = (): void => {
    timer ??= setTimeout(() => void retry(), retryAfterMs).unref()
  }

  return {
    async persist(statements, isWanted) {
      // What waits goes first: a filter may be given up after it was subscribed to.
      if (waiting.length === 0) {
        try {
          await write(statements)
          return
        } catch (error) {
          if (isFinal(error) || !isWanted()) throw error
        }
      }
      await new Promise<void>((resolve, reject) => {
        waiting.push({ statements, isWanted, resolve, reject })
        schedule()
      })
    },
    stop() {
      clearTimeout(timer)
      for (const { reject } of waiting.splice(0)) reject(new Error('the server is being stopped'))
    },
  }
}
