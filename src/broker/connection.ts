import type { Identity } from '../auth/identity.js'
import type { Inlet } from './inlet.js'
import type { Turns } from './turns.js'

/** Where a connection comes from. */
export interface Peer {
  readonly transport: 'tcp' | 'tls' | 'ws' | 'wss'
  readonly address: string
}

/** What the broker knows of one connection beside what Aedes keeps. */
export interface Connection {
  /** Distinct among all connections of the process. */
  readonly number: number
  readonly peer: Peer
  readonly inlet: Inlet
  readonly turns: Turns
  /** Set once the client has logged in. */
  identity: Identity | undefined
  /** Whether the inlet is held because too many messages of this client are on their way. */
  isFull: boolean
}
