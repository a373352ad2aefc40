import type { Outbox } from './disk/outbox.js'
import type { SavedPublish, SavedWill } from './disk/session-file.js'

/** Where subscriptions, queued messages, retained messages and wills are kept. */
export interface Sessions {
  /** What Aedes takes as `persistence` (the interface of aedes-persistence 11). */
  readonly persistence: AedesPersistence
  /** What Aedes takes as `mq`; its own emitter where absent. */
  readonly emitter?: object
  /**
   * Whether a QoS 2 message of this client is received and not yet released: another PUBLISH with its
   * packet identifier is the same message again [MQTT-4.3.3-2].
   */
  isReceived(clientId: string, packetIdentifier: number): Promise<boolean>
  /** Takes filters that a client may not have any more out of its session, so that no more is queued for it. */
  unsubscribe(clientId: string, filters: readonly string[]): Promise<void>
  /**
   * What waits for a client whose session is not a clean one, for its connection to take. `wake` is called when
   * there is more of which the connection was not told.
   */
  backlog(client: AttachedClient, wake: () => void): Backlog
  /** Where several instances serve one set of sessions: the client ids that any of them has. */
  readonly clientIds?: SharedClientIds
  /** Where this process alone has the sessions; elsewhere Aedes does with `persistence` what this does. */
  readonly own?: OwnSessions
  /** Where several instances have them. */
  readonly shared?: SharedSessions
  /** How much is kept, for who watches the server; rejects when the place cannot be reached. */
  figures(): Promise<SessionFigures>
  /** Whether the place can be reached, and takes what changes. */
  isReady(): boolean | Promise<boolean>
  close(): Promise<void>
}

/** How much is kept. */
export interface SessionFigures {
  /** Sessions whose clients are not connected here. */
  readonly away: number
  /** Their subscriptions. */
  readonly subscriptionsAway: number
  readonly retained: Kept
  /** What waits in the queues, each message counted once; `undefined` where that is not known. */
  readonly queued: Kept | undefined
}

/** Messages, and what their payloads take. */
export interface Kept {
  readonly messages: number
  readonly payloadBytes: number
}

/** What sessions want to know of connections. */
export interface ConnectedSessions {
  /** A client is logged in; `mayPublish` decides on its will. Aedes has its object for it until it is gone. */
  attach(client: AttachedClient, mayPublish: (topic: string) => boolean): void
  /** The connection of that client has ended. */
  detach(client: AttachedClient): void
}

/** Sessions of this process alone. */
export interface OwnSessions extends ConnectedSessions {
  /** Keeps what is to be delivered. */
  readonly outbox: Outbox
  /** Wills of clients whose connections ended with the process before. */
  readonly leftWills: readonly SavedWill[]
  /** Forgets one of these, which is published. */
  forget(will: SavedWill): Promise<void>
}

/** Sessions of several instances. */
export interface SharedSessions extends ConnectedSessions {
  /** Has the wills of clients of instances that have died published; each is to be told when it is. */
  watchWills(publish: (will: SharedWill, published: () => void) => void): void
  /** Keeps the last word of this instance, which another publishes should this one die; `undefined`: none. */
  setLastWord(will: SharedWill | undefined): Promise<void>
  /** Calls back when another instance has died and this one has seen to its wills. */
  watchInstances(died: () => void): void
  /** How many instances run, this one among them. */
  countInstances(): Promise<number>
  /** Emits to the subscribers of this instance, and to no other's. */
  emitHere(message: object): void
}

/** A will that its client may publish. */
export interface SharedWill extends SavedPublish {
  readonly retain: boolean
}

/** One connection of a client, as the same object throughout. */
export interface AttachedClient {
  readonly id: string
  /** Whether its session ends with the connection. */
  readonly clean: boolean
}

/** The part of Aedes's persistence by which it tells of acknowledgements, and reads what is retained. */
export interface AedesPersistence {
  /** The retained messages that match any of the filters, as packets. */
  createRetainedStreamCombi(filters: readonly string[]): AsyncIterable<unknown>
  /** Aedes calls it for each PUBACK and PUBCOMP of any client, with the client itself. */
  outgoingClearMessageId(
    client: AttachedClient,
    packet: { readonly messageId?: number | undefined },
  ): Promise<unknown>
}

/** What waits at QoS 1 and 2 for one connection of a client whose session is not a clean one. */
export interface Backlog {
  /**
   * Whether it has this message, by the number that the broker gave it, or had it, for a subscription of this QoS:
   * the connection has it from here.
   */
  holds(packet: Stamped, granted: 0 | 1 | 2): boolean
  /**
   * Takes what waits, oldest first and at most `count`, to be sent at once: what was sent before comes with its
   * packet identifier [MQTT-4.4.0-1]. Rejects when that cannot be recorded; the connection is to end then.
   */
  take(count: number, identifiers: PacketIdentifiers): readonly Outgoing[] | Promise<readonly Outgoing[]>
  /** Forgets what was taken and is not to be sent. */
  discard(packetIdentifier: number): Promise<unknown>
  /** Whether a message that was sent on an earlier connection has this identifier. */
  reserves(packetIdentifier: number): boolean
}

/** A message by the number that the broker gave it. */
export interface Stamped {
  readonly brokerId?: string | undefined
  readonly brokerCounter?: number | undefined
}

/** What is to be sent of a message. */
export interface LiveMessage {
  readonly topic: string
  readonly payload: Buffer | string
  readonly qos: 0 | 1 | 2
}

/** A message on its way to a client, or the PUBREL of one that the client has. */
export type Outgoing =
  | (LiveMessage & {
      readonly cmd: 'publish'
      readonly isRepeated: boolean
      readonly packetIdentifier: number
    })
  | { readonly cmd: 'pubrel'; readonly packetIdentifier: number }

/** The packet identifiers of one connection; never one twice that is in use [MQTT-2.3.1-2]. */
export interface PacketIdentifiers {
  /** A free one, in use from now on; `undefined`: there is none. */
  take(): number | undefined
  /** Takes a given one; `false`: it is in use. */
  claim(packetIdentifier: number): boolean
}

/** Client ids as several instances see them. */
export interface SharedClientIds {
  /** `false` when another owner holds the client id on any instance. */
  claim(clientId: string, owner: string): Promise<boolean>
  /** Lets go of it, unless another instance has taken it over. */
  release(clientId: string): void
}
