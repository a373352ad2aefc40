import { addressKey } from '../auth/address-key.js'
import { deviceOf } from '../auth/identity.js'
import type { PeerEvents } from '../metrics/peer-events.js'
import type { Connection } from './connection.js'

/** Tells of a connection on which someone has logged in, and of its end. */
export function tellConnected(
  { identity, peer, ending }: Connection,
  isTakeOver: boolean,
  events: PeerEvents,
): void {
  if (identity === undefined || ending.hasEnded) return
  const { clientId, user, credential } = identity
  const client = { clientId, user, address: addressKey(peer.address), device: deviceOf(credential) }
  events.connected(client, isTakeOver)
  ending.onEnd(() => events.ended(client))
}
