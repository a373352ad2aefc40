import { setTimeout as delay } from 'node:timers/promises'

/** Whether each part that must work for messages to be taken and stored does so now. */
export interface Readiness {
  /** Says how to find out about a part; whoever throws does not work. */
  set(part: keyof ReadinessReport, isWorking: () => boolean | Promise<boolean>): void
  report(): Promise<ReadinessReport>
}

/** Part by part. */
export interface ReadinessReport {
  readonly listeners: boolean
  readonly store: boolean
  readonly sessions: boolean
}

/** An orchestrator's probe waits about so long; a part that does not answer does not work. */
const ANSWER_WITHIN_MS = 2000

/** Every part counts as not working until it is set. */
export function createReadiness(): Readiness {
  const parts = new Map<keyof ReadinessReport, () => boolean | Promise<boolean>>()

  const ask = async (part: keyof ReadinessReport): Promise<boolean> => {
    const tooLate = new AbortController()
    const answer = async (): Promise<boolean> => (await parts.get(part)?.()) ?? false
    try {
      return await Promise.race([
        answer(),
        delay(ANSWER_WITHIN_MS, false, { signal: tooLate.signal }).catch(() => false),
      ])
    } catch {
      return false
    } finally {
      tooLate.abort()
    }
  }

  return {
    set: (part, isWorking) => {
      parts.set(part, isWorking)
    },
    async report() {
      const [listeners, store, sessions] = await Promise.all([
        ask('listeners'),
        ask('store'),
        ask('sessions'),
      ])
      return { listeners, store, sessions }
    },
  }
}
