import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { ClientCertificate } from '../broker/connection.js'
import type { ClientTrust } from './client-trust.js'

/**
 * The certificate that a client has shown; `undefined` when it cannot be told any more because the connection
 * has ended, and when it has been revoked since the handshake began.
 */
export function clientCertificate(socket: Socket, trust: ClientTrust): ClientCertificate | undefined {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined
  // `null` once the socket is closed, which its type does not say.
  const shown: Partial<ReturnType<TLSSocket['getPeerCertificate']>> | null = socket.getPeerCertificate()
  const serialNumber = shown?.serialNumber
  if (serialNumber === undefined || trust.isRevoked(serialNumber)) return undefined
  return { name: commonName(shown?.subject?.CN), isIdentity: trust.isIdentity, serialNumber }
}

/**
 * The common name that is a client's user name, as Mosquitto takes it: the first of several, in the order of the
 * certificate. `undefined` for none, an empty one, and one with a NUL, of which others would see the beginning.
 *
 * @param shown the CN of a subject, of which Node makes a list when there are several
 */
export function commonName(shown: string | readonly string[] | undefined): string | undefined {
  const first = typeof shown === 'string' ? shown : shown?.[0]
  return first === undefined || first === '' || first.includes('\0') ? undefined : first
}
