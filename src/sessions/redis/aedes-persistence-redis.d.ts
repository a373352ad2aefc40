/** The part that we use of a package which ships without types for it. */

declare module 'aedes-persistence-redis/asyncPersistence.js' {
  import type { Redis } from 'ioredis'

  interface RedisPersistenceOptions {
    readonly conn: Redis
    /** How many queued messages a client that comes back is sent. */
    readonly maxSessionDelivery: number
    /** Seconds after which a queued message is forgotten. */
    readonly packetTTL: () => number
  }

  class RedisPersistence {
    constructor(options: RedisPersistenceOptions)
    /** Rejects when there is no such packet. */
    incomingGetPacket(
      client: { readonly id: string },
      packet: { readonly messageId: number },
    ): Promise<object>
    addSubscriptions(client: { readonly id: string }, subscriptions: readonly object[]): Promise<unknown>
    removeSubscriptions(client: { readonly id: string }, filters: readonly string[]): Promise<unknown>
    /** The retained messages that match any of the filters. */
    createRetainedStreamCombi(patterns: readonly string[]): AsyncIterable<{ readonly topic: string }>
  }

  export = RedisPersistence
}
