import type { Logger } from '../log/logger.js'
import { createRateLimit } from '../log/rate-limit.js'
import { countReason, type Tally } from '../metrics/tally.js'
import type { PacketFault } from '../mqtt/packet-fault.js'
import type { Peer } from './connection.js'

/** Says in the log what went wrong with connections: for each cause once a minute. */
export interface FaultLog {
  /** A connection that ended otherwise than by DISCONNECT. */
  fault(clientId: string, peer: Peer | undefined, fault: string): void
  /** A connection that ended for what its client sent. */
  protocolError(clientId: string, peer: Peer, fault: PacketFault): void
  /** A message to a client found no room. */
  dropped(clientId: string, peer: Peer): void
  /** A login that was not let in. */
  refused(clientId: string, peer: Peer, user: string | undefined, reason: string): void
}

const MINUTE_MS = 60_000

/** Names and addresses come from peers; so many of them are remembered. */
const MAX_KEYS = 10_000

/** Names of peers are shortened in the log. */
const MAX_LOGGED_NAME = 64

/** Writes to `log`, and counts protocol errors. */
export function createFaultLog(log: Logger, tally: Pick<Tally, 'protocolErrors'>): FaultLog {
  const limit = createRateLimit(MINUTE_MS, MAX_KEYS)
  const fault: FaultLog['fault'] = (clientId, peer, what) => {
    if (limit.admit(`${peer?.address} ${clientId} ${what}`) === undefined) return
    log.info({ client: shorten(clientId), ...whence(peer), fault: what }, 'a connection ended with a fault')
  }
  return {
    fault,
    protocolError(clientId, peer, { clause, fault: what }) {
      countReason(tally.protocolErrors, clause)
      fault(clientId, peer, `${what} [${clause}]`)
    },
    dropped(clientId, peer) {
      const missed = limit.admit(`dropped ${peer.address} ${clientId}`)
      if (missed === undefined) return
      const since = missed > 0 ? { alsoDropped: missed } : {}
      const who = { client: shorten(clientId), ...whence(peer) }
      log.warn({ ...who, ...since }, 'messages to a client are dropped: it reads or acknowledges too slowly')
    },
    refused(clientId, peer, user, reason) {
      if (limit.admit(`login ${peer.address} ${user} ${reason}`) === undefined) return
      const who = { client: shorten(clientId), user: shorten(user) }
      log.warn({ ...who, ...whence(peer), reason }, 'a login was refused')
    },
  }
}

function whence(peer: Peer | undefined): Pick<Peer, 'transport' | 'address'> | undefined {
  return peer && { transport: peer.transport, address: peer.address }
}

function shorten(name: string | undefined | null): string | undefined {
  return name?.slice(0, MAX_LOGGED_NAME)
}
