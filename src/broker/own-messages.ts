import type { PublishingAedes } from './aedes-broker.js'

/** A message of the server's own. */
export interface OwnMessage {
  /** A topic name of at most 100 levels, not below `$SYS`. */
  readonly topic: string
  readonly payload: string | Buffer
  readonly qos: 0 | 1 | 2
  readonly retain: boolean
}

/** Publishes it to whoever subscribes, sessions included; resolves when it is with the sessions. It is not ingested. */
export type PublishOwn = (message: OwnMessage) => Promise<void>

/** The way of the server's own messages, beside which a client's has to pass access and ingest. */
export function createOwnMessages(aedes: PublishingAedes): PublishOwn {
  return ({ topic, payload, qos, retain }) =>
    new Promise((resolve, reject) => {
      aedes.publish(
        { cmd: 'publish', topic, payload: Buffer.from(payload), qos, retain, dup: false },
        (error: unknown) => (error == null ? resolve() : reject(error)),
      )
    })
}
