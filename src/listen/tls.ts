import { constants } from 'node:crypto'
import type { Socket } from 'node:net'
import { createServer, type Server, type TLSSocket, type TlsOptions } from 'node:tls'
import type { Broker } from '../broker/broker.js'
import type { Peer } from '../broker/connection.js'
import type { ServedCertificates } from './certificates.js'
import { clientCertificate } from './client-certificate.js'
import type { Gate } from './gate.js'
import { type ListenAddress, type Listener, listen, socketOptions } from './listener.js'
import { readIntoSharedBuffer } from './shared-read-buffer.js'

/** A handshake is two round trips; an ESP32 needs about two seconds of its own for it. */
const HANDSHAKE_TIMEOUT_MS = 15_000

/** What a client without a certificate ends a handshake with. */
const NONE_SHOWN = 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE'

/** What every TLS listener of ours asks for. TLS 1.2 is what mbedTLS 2 on an ESP32 speaks. */
export function tlsOptions({ cert, key, clients }: ServedCertificates): TlsOptions {
  const options = { cert, key, minVersion: 'TLSv1.2', handshakeTimeout: HANDSHAKE_TIMEOUT_MS } as const
  if (clients === undefined) return options
  return {
    ...options,
    ca: clients.ca,
    crl: [...clients.crl],
    requestCert: true,
    rejectUnauthorized: true,
    // OpenSSL does not check a certificate again when its session is resumed, so that one which was revoked or
    // has expired meanwhile would get in. Without tickets there is nothing to resume: Node caches no sessions.
    secureOptions: constants.SSL_OP_NO_TICKET,
  }
}

/** The TLS side of a listener. */
export interface TlsSide {
  /** Who has connected; `undefined` for one that is not to be let in after all. */
  readonly peerOf: (socket: Socket) => Peer | undefined
  readonly renew: (certificates: ServedCertificates) => void
}

/** Sees to the certificates of `server`, which was made with the `tlsOptions` of the same ones. */
export function tlsSide(
  server: Server,
  transport: 'tls' | 'wss',
  certificates: ServedCertificates,
  gate: Gate,
): TlsSide {
  let { clients } = certificates
  // A failed handshake concerns its own connection, which TLS has closed by then.
  server.on('tlsClientError', (error, socket) => {
    socket.destroy()
    const reason = clients === undefined ? undefined : certificateFault(error, socket)
    if (reason !== undefined) gate.logRefusedCertificate(reason, socket.remoteAddress)
  })
  return {
    peerOf(socket) {
      const address = socket.remoteAddress ?? ''
      if (clients === undefined) return { transport, address }
      const certificate = clientCertificate(socket, clients)
      return certificate === undefined ? undefined : { transport, address, certificate }
    },
    renew(next) {
      // Node asks for certificates as it did at first, and would accept every public CA's without a CA of ours.
      if ((next.clients === undefined) !== (clients === undefined)) {
        throw new Error('whether clients have to show a certificate cannot change while the server runs')
      }
      server.setSecureContext(tlsOptions(next))
      clients = next.clients
    },
  }
}

/** MQTT over TLS. */
export async function listenTls(
  address: ListenAddress,
  certificates: ServedCertificates,
  gate: Gate,
  broker: Broker,
): Promise<Listener> {
  const server = createServer({ ...tlsOptions(certificates), ...socketOptions })
  const { peerOf, renew } = tlsSide(server, 'tls', certificates, gate)
  server.prependListener('connection', (socket) => gate.admit(socket, 'tls'))
  server.on('secureConnection', (socket) => {
    const peer = peerOf(socket)
    if (peer === undefined) {
      socket.destroy()
      return
    }
    readIntoSharedBuffer(socket)
    broker.accept(socket, peer)
  })
  return { ...(await listen(server, 'mqtts', 'MQTTS_PORT', address)), renew }
}

/** What was wrong with the certificate, when it was that: a code of OpenSSL's, such as CERT_REVOKED. */
function certificateFault(error: Error, socket: TLSSocket): string | undefined {
  if ('code' in error && error.code === NONE_SHOWN) return 'none was shown'
  // A code, other than its type says; `null` when the handshake did not come so far.
  const fault: unknown = socket.authorizationError
  return fault === null || fault === undefined ? undefined : String(fault)
}
