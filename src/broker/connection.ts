import type { Duplex } from 'node:stream'
import type { Identity } from '../auth/identity.js'
import { createEnding, type Ending } from '../ending/ending.js'
import type { Inlet } from './inlet.js'
import type { Outlet } from './outlet.js'
import { createTurns, type Turns } from './turns.js'

/** Where a connection comes from. */
export interface Peer {
  readonly transport: 'tcp' | 'tls' | 'ws' | 'wss'
  readonly address: string
  /** What the client had to show in the TLS handshake; absent where nothing is asked for. */
  readonly certificate?: ClientCertificate
}

/** The certificate of a client, which the TLS handshake has found to be signed by the CA and not revoked. */
export interface ClientCertificate {
  /** Its first common name; `undefined` when it has none that can be a user name. */
  readonly name: string | undefined
  /** Whether `name` is the client's login, in the place of the user name and password of its CONNECT. */
  readonly isIdentity: boolean
  /** In upper-case hexadecimal digits, by which a later CRL may revoke it. */
  readonly serialNumber: string
}

/** What is on its way of the publishes of one connection. */
export interface Pending {
  /** Publishes that have not had their answer. */
  publishes: number
  /** What they take in memory. */
  bytes: number
  /** Whether the inlet is held for them. */
  isHeld: boolean
}

/** What the broker knows of one connection beside what Aedes keeps. */
export interface Connection {
  /** Distinct among all connections of the process. */
  readonly number: number
  /** When it sent its first bytes, epoch ms. */
  readonly sinceMs: number
  readonly stream: Duplex
  readonly peer: Peer
  /** Of the connection. */
  readonly ending: Ending
  readonly inlet: Inlet
  readonly outlet: Outlet
  /** Publishes that access and ingest are not done with. */
  readonly turns: Turns
  /** Publishes that are then stored and delivered. */
  readonly deliveries: Turns
  /** The filters that were granted to it, with their QoS. */
  readonly subscriptions: Map<string, 0 | 1 | 2>
  /** Set once the client has logged in. */
  identity: Identity | undefined
  /** When its last message went to ingest, epoch ms; 0: none yet. */
  lastMessageAtMs: number
  readonly pending: Pending
}

/** A connection of which nothing is known yet; `number` is its own. */
export function createConnection(
  number: number,
  stream: Duplex,
  peer: Peer,
  inlet: Inlet,
  openOutlet: (connection: Omit<Connection, 'outlet'>) => Outlet,
): Connection {
  const ending = createEnding()
  stream.once('close', () => ending.end())
  const connection: Omit<Connection, 'outlet'> = {
    number,
    sinceMs: Date.now(),
    stream,
    peer,
    ending,
    inlet,
    turns: createTurns(),
    deliveries: createTurns(),
    subscriptions: new Map(),
    identity: undefined,
    lastMessageAtMs: 0,
    pending: { publishes: 0, bytes: 0, isHeld: false },
  }
  return Object.assign(connection, { outlet: openOutlet(connection) })
}

/** How many of these are logged in, and how many subscriptions they have. */
export function countClients(connections: Iterable<Connection>): {
  readonly clients: number
  readonly subscriptions: number
} {
  const loggedIn = [...connections].filter(({ identity }) => identity !== undefined)
  const subscriptions = loggedIn.reduce((sum, one) => sum + one.subscriptions.size, 0)
  return { clients: loggedIn.length, subscriptions }
}
