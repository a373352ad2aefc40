import type { SavedPublish, SavedWill } from './session-file.js'
import { statements } from './session-file.js'
import type { SessionJournal } from './session-journal.js'

/** The wills of connected clients, in the file for the case that this process is killed. */
export interface SavedWills {
  /** Saves the will of a client that connects; `undefined`: one that it may not publish. */
  put(clientId: string, will: (SavedPublish & { readonly retain: boolean }) | undefined): Promise<void>
  /** Deletes the will of the client's oldest connection, which has ended. */
  end(clientId: string): void
  /** Those of the process before, to be published. */
  readonly left: readonly SavedWill[]
  /** Deletes one of these. */
  forget(will: SavedWill): Promise<void>
}

/**
 * A connection that takes over puts its will before the one before has ended and deleted its own; so each has a
 * row. A will that cannot be saved now is saved later, and does not keep its client from connecting.
 */
export function createSavedWills(
  journal: SessionJournal,
  left: readonly SavedWill[],
  nextId: () => number,
): SavedWills {
  const rows = new Map<string, (number | undefined)[]>()
  return {
    left,
    async put(clientId, will) {
      const id = will === undefined ? undefined : nextId()
      rows.set(clientId, [...(rows.get(clientId) ?? []), id])
      if (will === undefined || id === undefined) return
      const { topic, payload, qos, retain } = will
      await journal.settle([statements.putWill(id, clientId, topic, payload, qos, retain ? 1 : 0)])
    },
    end(clientId) {
      const own = rows.get(clientId)
      const id = own?.shift()
      if (own?.length === 0) rows.delete(clientId)
      if (id !== undefined) void journal.settle([statements.deleteWill(id)])
    },
    forget: ({ id }) => journal.settle([statements.deleteWill(id)]),
  }
}
