import type { Logger } from '../log/logger.js'
import { createRateLimit } from '../log/rate-limit.js'
import type { Peer } from './connection.js'

/** Says in the log what went wrong with connections: for each cause once a minute. */
export interface FaultLog {
  /** A connection that ended otherwise than by DISCONNECT. */
  fault(clientId: string, peer: Peer | undefined, fault: string): void
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

/** Writes to `log`. */
export function createFaultLog(log: Logger): FaultLog {
  const limit = createRateLimit(MINUTE_MS, MAX_KEYS)
  return {
    fault(clientId, peer, fault) {
      if (limit.admit(`${peer?.address} ${clientId} ${fault}`) === undefined) return
      log.info({ client: shorten(clientId), ...whence(peer), fault }, 'a connection ended with a fault')
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
