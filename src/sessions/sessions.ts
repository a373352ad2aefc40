import type { Outbox } from './disk/outbox.js'
import type { SavedWill } from './disk/session-file.js'

/** Where subscriptions, queued messages, retained messages and wills are kept. */
export interface Sessions {
  /** What Aedes takes as `persistence` (the interface of aedes-persistence 11). */
  readonly persistence: object
  /** What Aedes takes as `mq`; its own emitter where absent. */
  readonly emitter?: object
  /**
   * Whether a QoS 2 message of this client is received and not yet released: another PUBLISH with its
   * packet identifier is the same message again [MQTT-4.3.3-2].
   */
  isReceived(clientId: string, packetIdentifier: number): Promise<boolean>
  /** Takes filters that a client may not have any more out of its session, so that no more is queued for it. */
  unsubscribe(clientId: string, filters: readonly string[]): Promise<void>
  /** Where several instances serve one set of sessions: the client ids that any of them has. */
  readonly clientIds?: SharedClientIds
  /** Where this process alone has the sessions; elsewhere Aedes does with `persistence` what this does. */
  readonly own?: OwnSessions
  /** Whether the place can be reached. */
  isReady(): boolean
  close(): Promise<void>
}

/** Sessions of this process alone. */
export interface OwnSessions {
  /** Keeps what is to be delivered. */
  readonly outbox: Outbox
  /** A client is logged in; `mayPublish` decides on its will. Aedes has its object for it until it is gone. */
  attach(client: AttachedClient, mayPublish: (topic: string) => boolean): void
  /** The connection of that client has ended. */
  detach(client: AttachedClient): void
  /** Whether a message is to reach a connection at once; `false`: it has it from its queue. */
  mayDeliver(client: AttachedClient, packet: DeliveredPacket): boolean
  /** Wills of clients whose connections ended with the process before. */
  readonly leftWills: readonly SavedWill[]
  /** Forgets one of these, which is published. */
  forget(will: SavedWill): Promise<void>
}

/** One connection of a client, as the same object throughout. */
export interface AttachedClient {
  readonly id: string
  /** Whether its session ends with the connection. */
  readonly clean: boolean
}

/** A message by the number that the broker gave it; with a packet identifier when it comes from a queue. */
export interface DeliveredPacket {
  readonly brokerId?: string
  readonly brokerCounter?: number
  readonly messageId?: number | undefined
}

/** Client ids as several instances see them. */
export interface SharedClientIds {
  /** `false` when another owner holds the client id on any instance. */
  claim(clientId: string, owner: string): Promise<boolean>
  /** Lets go of it, unless another instance has taken it over. */
  release(clientId: string): void
}
