import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import { pino } from 'pino'
import { onTestFinished } from 'vitest'
import type { Peer } from '#src/broker/connection.js'
import { type Certificates, ensureCertificates } from '#src/listen/certificates.js'
import type { ClientCertificates } from '#src/listen/client-trust.js'
import { createGate } from '#src/listen/gate.js'
import { listenOnAll } from '#src/listen/listen-on-all.js'
import { createTally } from '#src/metrics/tally.js'
import { openStore } from '#src/store/open-store.js'
import { startTestBroker } from './broker.js'
import type { ClientFiles } from './openssl.js'
import { temporaryFolder } from './temporary-folder.js'

/** The TLS listeners of a broker in this process. */
export interface SecureListeners {
  readonly certificates: Certificates
  readonly mqtts: number
  readonly wss: number
  /** Everyone whom the broker was handed. */
  readonly peers: readonly Peer[]
  /** What the log says. */
  readonly log: readonly string[]
  renew(certificates: Certificates): void
}

/** Listens with the certificates of `folder`, which are made where they are missing, until the test is over. */
export async function startSecureListeners(
  folder: string,
  clients: ClientCertificates,
): Promise<SecureListeners> {
  const path = join(await temporaryFolder(), 'damselfly.db')
  const store = await openStore({ kind: 'sqlite', path }, { zoneOffsetMinutes: 480 })
  onTestFinished(() => store.close())
  const { broker } = await startTestBroker(store)
  const certificates = await ensureCertificates(folder, { clients })
  const peers: Peer[] = []
  const log: string[] = []
  const logger = pino({ base: null }, { write: (line: string) => void log.push(line) })
  const listeners = await listenOnAll(
    {
      ...{ BIND_ADDRESS: '127.0.0.1', MQTT_PORT: 'off', MQTTS_PORT: 0, WS_PORT: 'off', WSS_PORT: 0 },
      WS_ORIGINS: [],
      MAX_PACKET_BYTES: 1_048_576,
    },
    certificates,
    createGate(1000, createTally(), logger),
    {
      ...broker,
      accept(stream, peer) {
        peers.push(peer)
        broker.accept(stream, peer)
      },
    },
    ({ close }) => onTestFinished(close),
  )
  const port = (scheme: string): number => listeners.find((one) => one.scheme === scheme)?.port ?? 0
  return {
    certificates,
    mqtts: port('mqtts'),
    wss: port('wss'),
    peers,
    log,
    renew(next) {
      for (const listener of listeners) listener.renew?.(next)
    },
  }
}

/** The CA of `folder` and, when given, a client's certificate, as the options of a TLS client. */
export async function trusting(folder: string, client?: ClientFiles) {
  const ca = await readFile(join(folder, 'ca.crt'))
  if (client === undefined) return { ca }
  return { ca, cert: await readFile(client.cert), key: await readFile(client.key) }
}

/** A TLS connection to localhost whose handshake is over for the client, until the test is over. */
export async function handshake(port: number, options: ConnectionOptions): Promise<TLSSocket> {
  const socket = connect({ port, host: '127.0.0.1', servername: 'localhost', ...options })
  onTestFinished(() => void socket.destroy())
  socket.on('error', () => undefined) // seen here while it connects, and later as its end
  await once(socket, 'secureConnect')
  return socket
}

/** Resolves when the server has ended the connection, whether with an alert or without. */
export async function ended(socket: TLSSocket): Promise<void> {
  if (!socket.destroyed) await new Promise<void>((resolve) => socket.resume().once('close', () => resolve()))
}
