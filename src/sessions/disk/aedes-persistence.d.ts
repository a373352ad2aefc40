/** The part that we use of a package which ships without types for it. */

declare module 'aedes-persistence/asyncPersistence.js' {
  interface Client {
    readonly id: string
  }

  interface Subscription {
    readonly topic: string
    readonly qos: 0 | 1 | 2
  }

  /** Throughout: rejects when there is no such packet; `setup` comes first. */
  class MemoryPersistence {
    get broker(): { readonly id: string; counter: number }
    setup(broker: { readonly id: string; counter: number }): Promise<void>
    /** Keeps a copy; an empty payload ends what is kept. */
    storeRetained(packet: { readonly topic: string; readonly payload: Buffer | string }): Promise<void>
    /** The retained messages that match any of the filters. */
    createRetainedStreamCombi(filters: readonly string[]): import('node:stream').Readable
    createRetainedStream(filter: string): import('node:stream').Readable
    addSubscriptions(client: Client, subscriptions: readonly Subscription[]): Promise<void>
    removeSubscriptions(client: Client, filters: readonly string[]): Promise<void>
    cleanSubscriptions(client: Client): Promise<void>
    subscriptionsByClient(client: Client): Promise<readonly Subscription[]>
    /** Those with a QoS above 0. */
    subscriptionsByTopic(topic: string): Promise<readonly (Subscription & { readonly clientId: string })[]>
    incomingStorePacket(client: Client, packet: object & { readonly messageId: number }): Promise<void>
    incomingGetPacket(client: Client, packet: { readonly messageId: number }): Promise<object>
    incomingDelPacket(client: Client, packet: { readonly messageId: number }): Promise<void>
    cleanIncoming(client: Client): Promise<void>
    putWill(client: Client, packet: object): Promise<void>
    delWill(client: Client): Promise<object | undefined>
    destroy(): Promise<void>
  }

  export = MemoryPersistence
}
