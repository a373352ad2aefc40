import type { SharedClientIds } from './client-ids.js'

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
  /** Takes filters out of a session, so that no more is queued for it while its client is away. */
  unsubscribe(clientId: string, filters: readonly string[]): Promise<void>
  /** Where several instances serve one set of sessions: the client ids that any of them has. */
  readonly clientIds?: SharedClientIds
  /** Whether the place can be reached. */
  isReady(): boolean
  close(): Promise<void>
}
