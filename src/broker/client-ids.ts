import type { SharedClientIds } from '../sessions/sessions.js'
import type { Connection } from './connection.js'

/** Which connection holds which client id, and for whom. */
export interface ClientIds {
  /** Whether a connection of this process holds it. */
  isHeld(clientId: string): boolean
  /**
   * Gives a client id to a connection, which takes over from another of the same owner [MQTT-3.1.4-2];
   * `false` when another user's connection holds it. It is held until the connection closes.
   */
  claim(clientId: string, owner: string, connection: Pick<Connection, 'ending'>): Promise<boolean>
}

interface Holder {
  readonly connection: Pick<Connection, 'ending'>
  readonly owner: string
}

/** Knows the client ids of this process, and asks `shared` about those of others. */
export function createClientIds(shared: SharedClientIds | undefined): ClientIds {
  const holders = new Map<string, Holder>()

  const hold = (clientId: string, holder: Holder): void => {
    holders.set(clientId, holder)
    holder.connection.ending.onEnd(() => {
      if (holders.get(clientId) !== holder) return
      holders.delete(clientId)
      shared?.release(clientId)
    })
  }

  return {
    isHeld: (clientId) => holders.has(clientId),
    async claim(clientId, owner, connection) {
      const isOthers = (): boolean => {
        const holder = holders.get(clientId)
        return holder !== undefined && holder.owner !== owner
      }
      if (isOthers()) return false
      if (shared !== undefined && !(await shared.claim(clientId, owner))) return false
      // Another may have come first while the other instances were asked.
      if (isOthers()) return false
      if (connection.ending.hasEnded) {
        if (!holders.has(clientId)) shared?.release(clientId)
        return false
      }
      hold(clientId, { connection, owner })
      return true
    },
  }
}
