import type { Logger } from '../log/logger.js'
import type { PresenceChange } from '../store/presence.js'
import type { Store } from '../store/store.js'
import { StoreError } from '../store/store-error.js'

/** What the writing needs. */
export interface PresenceWriterParts {
  readonly store: Pick<Store, 'setPresence'>
  /** Resolves when all messages that were taken before are stored: see `flush`. */
  readonly messagesSettled: () => Promise<void>
  /** Told of what is in the database. */
  readonly written: (changes: readonly PresenceChange[]) => void
  readonly log: Logger
}

/** What is to be written of the presence of devices: the latest of each. */
export interface PresenceWriter {
  set(change: PresenceChange): void
  /**
   * Writes what is there. A message of before is written before: else it would find a newer `last_seen`,
   * which makes the status in it an old one, or bring a device online that has left. Rejects with the
   * `StoreError` of a store that is away; what is not written stays.
   */
  flush(): Promise<void>
  /** The same without a wait for messages. */
  flushNow(): Promise<void>
}

/** Devices in one statement, some 100 ms of the database, during which batches with these devices wait. */
const MAX_CHANGES = 1000

/** Keeps what could not be written; that is no more than there are devices. */
export function createPresenceWriter(parts: PresenceWriterParts): PresenceWriter {
  const pending = new Map<number, PresenceChange>()

  const isPending = (change: PresenceChange): boolean => pending.get(change.deviceId) === change

  const write = async (changes: readonly PresenceChange[]): Promise<void> => {
    try {
      await parts.store.setPresence(changes)
    } catch (error) {
      if (!(error instanceof StoreError && error.code === 'STORE_REJECTED')) throw error
      if (changes.length > 1) {
        const middle = Math.ceil(changes.length / 2)
        await write(changes.slice(0, middle))
        await write(changes.slice(middle))
        return
      }
      parts.log.warn({ error: error.message, ...changes[0] }, 'the database refused the presence of a device')
    }
    for (const change of changes) if (isPending(change)) pending.delete(change.deviceId)
    parts.written(changes)
  }

  const writeAll = async (ready: () => Promise<void>): Promise<void> => {
    // What comes meanwhile is left to the next time.
    for (let left = pending.size; left > 0; left -= MAX_CHANGES) {
      const some = firstOf(pending.values(), MAX_CHANGES)
      await ready()
      // A device that has come back meanwhile never was away.
      const changes = some.filter(isPending)
      if (changes.length > 0) await write(changes)
    }
  }

  return {
    set(change) {
      pending.delete(change.deviceId) // to the end
      pending.set(change.deviceId, change)
    },
    flush: () => writeAll(parts.messagesSettled),
    flushNow: () => writeAll(() => Promise.resolve()),
  }
}

function firstOf<T>(values: Iterable<T>, count: number): T[] {
  const first: T[] = []
  for (const value of values) {
    if (first.length === count) break
    first.push(value)
  }
  return first
}
