import { setImmediate as nextTurn } from 'node:timers/promises'
import { noAccess } from '../auth/access.js'
import type { Identity } from '../auth/identity.js'
import type { Connection, Peer } from './connection.js'
import type { FaultLog } from './fault-log.js'
import type { Forget } from './forget-subscriptions.js'

/** Who a connected client is by what is in force now; `undefined`: it would no longer be let in. */
export type Judge = (identity: Identity, peer: Peer) => Identity | undefined

/** What a review needs. */
export interface ReviewParts {
  readonly connections: Iterable<Connection>
  readonly forget: Forget
  readonly faults: FaultLog
}

/** A judgement takes some microseconds; between so many, messages go on. */
const JUDGED_AT_ONCE = 200

/**
 * Judges every connected client again. Who keeps a login goes on by what is in force now; the connection of
 * one that has lost its login, all that it was allowed, or a subscription, is closed. MQTT 3.1.1 has no other
 * way to tell a client that it is no longer subscribed; the next SUBSCRIBE is answered 0x80.
 */
export async function reviewConnections(
  { connections, forget, faults }: ReviewParts,
  judge: Judge,
): Promise<void> {
  let judged = 0
  // Those that come meanwhile log in by what is in force now.
  for (const connection of [...connections]) {
    const before = connection.identity
    if (before === undefined) continue
    const now = judge(before, connection.peer)
    connection.identity = now ?? { ...before, access: noAccess } // for its will
    const { lost, reason } = lossOf(connection, before, now)
    if (reason !== undefined) {
      faults.fault(before.clientId, connection.peer, reason)
      connection.stream.destroy()
    }
    if (lost.length > 0) forget(before.clientId, connection.peer, lost)
    judged += 1
    if (judged % JUDGED_AT_ONCE === 0) await nextTurn()
  }
}

/** What a client has lost: the filters that could no longer bring it anything, and why it has to go. */
function lossOf(
  { subscriptions }: Connection,
  before: Identity,
  now: Identity | undefined,
): { readonly lost: readonly string[]; readonly reason: string | undefined } {
  if (now === undefined) return { lost: [], reason: 'its login has ended' }
  const lost = [...subscriptions.keys()].filter((filter) => !now.access.mayReceiveSomeOf(filter))
  if (before.access.isAny && !now.access.isAny) return { lost, reason: 'it may do nothing any more' }
  return { lost, reason: lost.length > 0 ? 'it lost a subscription' : undefined }
}
