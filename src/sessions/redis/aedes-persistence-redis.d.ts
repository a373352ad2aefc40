/** The part that we use of a package which ships without types for it. */

declare module 'aedes-persistence-redis/asyncPersistence.js' {
  import type { Redis } from 'ioredis'

  interface Client {
    readonly id: string
  }

  interface Subscription {
    readonly topic: string
    readonly qos: 0 | 1 | 2
  }

  class RedisPersistence {
    constructor(options: { readonly conn: Redis })
    /** Loads all subscriptions. */
    setup(broker: object): Promise<void>
    incomingStorePacket(client: Client, packet: { readonly messageId: number }): Promise<void>
    /** Rejects when there is no such packet. */
    incomingGetPacket(client: Client, packet: { readonly messageId: number }): Promise<object>
    addSubscriptions(client: Client, subscriptions: readonly Subscription[]): Promise<unknown>
    removeSubscriptions(client: Client, filters: readonly string[]): Promise<unknown>
    cleanSubscriptions(client: Client): Promise<void>
    subscriptionsByClient(client: Client): Promise<readonly Subscription[]>
    subscriptionsByTopic(topic: string): Promise<readonly (Subscription & { readonly clientId: string })[]>
    createRetainedStreamCombi(filters: readonly string[]): AsyncIterable<unknown>
  }

  export = RedisPersistence
}
