/** The part that we use of a package, whose own types let nothing stand for its connections, and no class be made of it. */

declare module 'mqemitter-redis/mqemitter-redis.js' {
  import type { EventEmitter } from 'node:events'

  type Listener = (
    message: { readonly topic: string; readonly payload: Buffer | string },
    done: () => void,
  ) => void
  type Received = (...received: (string | Buffer)[]) => void

  interface Connection {
    on(event: string, listener: Received): unknown
    quit(): unknown
  }

  interface Options {
    readonly subConn: Connection &
      Readonly<
        Record<
          'subscribe' | 'unsubscribe' | 'psubscribe' | 'punsubscribe',
          (name: string, done?: () => void) => void
        >
      >
    readonly pubConn: Connection & { publish(channel: string, packed: Buffer): Promise<unknown> }
    readonly concurrency: number
    readonly matchEmptyLevels: boolean
  }

  class MQEmitterRedis {
    constructor(options: Options)
    /** Says what its connections say. */
    readonly state: EventEmitter
    on(topic: string, listener: Listener, done?: () => void): this
    /** The name under which a filter is subscribed to. */
    _subTopic(filter: string): string
    /** Calls the listeners of this process. */
    _emit(message: object): unknown
  }

  export = MQEmitterRedis
}
