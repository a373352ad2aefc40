import type { Logger } from '../log/logger.js'
import type { Batch } from './batch.js'
import { startLeftStates } from './left-states.js'
import { createStateApplier, type KeepRefused } from './state-applier.js'
import type { LoggedState } from './state-entry.js'
import { createStateWriter } from './state-writer.js'
import type { Store } from './store.js'

/** The log of state of a database. Each call rejects with a `StoreError`. */
export interface StateLog {
  /** Commits the history of a batch, and the rest as entries of the log; resolves to their ids. */
  writeLogged(batch: Batch): Promise<readonly number[]>
  /** Some of the oldest entries that are at least `ageS` seconds old; 0: of all. */
  readEntries(ageS: number): Promise<readonly LoggedState[]>
  removeEntries(ids: readonly number[]): Promise<void>
}

/** Whom a store is opened for: a server, which writes what devices send. */
export interface StoreServer {
  readonly log: Logger
  /** Whether other servers write to the same database. */
  readonly isOneOfSeveral: boolean
  readonly keepRefused: KeepRefused
}

/**
 * A store whose state tables may follow its history while it is busy. Whoever asks it for state is told what
 * was written before.
 *
 * @throws StoreError STORE_SCHEMA where an entry of the log cannot be read.
 */
export async function followingStore(store: Store, log: StateLog, server: StoreServer): Promise<Store> {
  const writeAll = (batch: Batch): Promise<void> => store.write(batch)
  // Beside other servers nothing says what the tables got while it was on its way there.
  const writeState = (batch: Batch): Promise<void> =>
    writeAll(server.isOneOfSeveral ? { ...batch, mayBeLate: true } : batch)
  const apply = createStateApplier({ writeState, ...server })
  const left = await startLeftStates({ ...log, apply, ...server })
  const writer = createStateWriter({ writeAll, ...log, apply, log: server.log })
  const caughtUp = (): Promise<void> => writer.caughtUp().catch(() => undefined) // tells what it can
  return {
    ...store,
    write: writer.write,
    async setPresence(changes) {
      await writer.caughtUpOn(changes.map(({ deviceId }) => deviceId))
      await store.setPresence(changes)
    },
    async findSilent(beforeMs) {
      await writer.caughtUp()
      return store.findSilent(beforeMs)
    },
    async removeDevice(id) {
      await writer.caughtUpOn([id])
      return store.removeDevice(id)
    },
    async reportDevice(id) {
      await caughtUp()
      return store.reportDevice(id)
    },
    async reportDevices() {
      await caughtUp()
      return store.reportDevices()
    },
    async listDevices(query) {
      await caughtUp()
      return store.listDevices(query)
    },
    async close() {
      await left.stop()
      await writer.stop()
      await store.close()
    },
  }
}
