import { deviceOf } from '../auth/identity.js'
import type { Connection, Peer } from './connection.js'

/** A client that is logged in, as others are told of it. */
export interface ConnectedClient {
  /** Greater than that of every client that came before, as long as the process runs. */
  readonly number: number
  readonly clientId: string
  /** `undefined`: it is anonymous. */
  readonly user: string | undefined
  readonly address: string
  readonly transport: Peer['transport']
  /** Epoch ms. */
  readonly sinceMs: number
  /** The `uuid` of the device that it has logged in as, if it is one. */
  readonly device: string | undefined
}

/** Those of these connections on which someone has logged in. */
export function* connectedClients(connections: Iterable<Connection>): Generator<ConnectedClient> {
  for (const { number, sinceMs, peer, identity } of connections) {
    if (identity === undefined) continue
    const { clientId, user, credential } = identity
    const { address, transport } = peer
    yield { number, clientId, user, address, transport, sinceMs, device: deviceOf(credential)?.uuid }
  }
}
