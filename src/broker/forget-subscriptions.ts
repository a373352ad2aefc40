import type { Sessions } from '../sessions/sessions.js'
import type { Peer } from './connection.js'
import type { FaultLog } from './fault-log.js'

/**
 * Takes filters that a client may not have out of its session, so that nothing is queued for them. Nobody waits
 * for that: it takes as long as Redis is away. Aedes asks before each delivery anyway.
 */
export type Forget = (clientId: string, peer: Peer | undefined, filters: readonly string[]) => void

/** Forgets in `sessions`; what fails is in the log. */
export function createForgetting(sessions: Pick<Sessions, 'unsubscribe'>, faults: FaultLog): Forget {
  return (clientId, peer, filters) => {
    sessions.unsubscribe(clientId, filters).catch((error: unknown) => {
      faults.fault(clientId, peer, `its session could not be changed: ${String(error)}`)
    })
  }
}
