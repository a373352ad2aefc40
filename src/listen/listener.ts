import type { Server } from 'node:net'
import { ConfigError } from '../config/config-error.js'
import type { ServedCertificates } from './certificates.js'

/** One listening address. */
export interface Listener {
  readonly scheme: Scheme
  /** As it is reached, for example `mqtt://0.0.0.0:1883`. */
  readonly address: string
  readonly port: number
  /** Accepts no more; connections that are open stay. */
  close(): void
  /**
   * Serves these, and judges clients by them, from the next handshake on; open connections stay. Absent where
   * there is no TLS.
   *
   * @throws Error when they would change whether clients have to show a certificate.
   */
  renew?(certificates: ServedCertificates): void
}

/** Where to listen. */
export interface ListenAddress {
  readonly host: string
  /** 0 for any free port. */
  readonly port: number
}

/**
 * For every listener. A peer that has lost its power or its network says nothing of it; one that asked for no
 * keep alive in its CONNECT is found out by the kernel, 60 s after its last sign of life and ten probes.
 */
export const socketOptions = { noDelay: true, keepAlive: true, keepAliveInitialDelay: 60_000 } as const

/** The kernel caps it at `net.core.somaxconn`; with Node's 511 a fleet that comes back at once is turned away. */
const BACKLOG = 4096

/** How to say in an address what a listener speaks. */
export type Scheme = 'mqtt' | 'mqtts' | 'ws' | 'wss'

/**
 * Binds `server`.
 *
 * @throws ConfigError CONFIG_CONFLICT when the address is taken or not this machine's; `setting` names it.
 */
export async function listen(
  server: Server,
  scheme: Scheme,
  setting: string,
  { host, port }: ListenAddress,
): Promise<Listener> {
  await new Promise<void>((resolve, reject) => {
    // It stays: an error after the promise has resolved is a connection that could not be accepted, which
    // concerns nobody else, and would end the process if nobody listened.
    server.on('error', (error: NodeJS.ErrnoException) => reject(refusedAddress(error, setting, host, port)))
    server.listen({ host, port, backlog: BACKLOG }, resolve)
  })
  const bound = server.address()
  const actual = typeof bound === 'object' && bound !== null ? bound.port : port
  return {
    scheme,
    address: `${scheme}://${host.includes(':') ? `[${host}]` : host}:${actual}`,
    port: actual,
    close: () => {
      server.close()
    },
  }
}

function refusedAddress(
  error: NodeJS.ErrnoException,
  setting: string,
  host: string,
  port: number,
): ConfigError {
  const reasons = new Map([
    ['EADDRINUSE', 'another process listens there; stop it, or choose another port'],
    ['EADDRNOTAVAIL', 'this machine has no such address; correct BIND_ADDRESS'],
    ['EACCES', 'ports below 1024 need a privilege; choose a higher one'],
  ])
  const reason = reasons.get(error.code ?? '') ?? error.message
  return new ConfigError('CONFIG_CONFLICT', `${setting} = ${port}, BIND_ADDRESS = ${host}: ${reason}`)
}
