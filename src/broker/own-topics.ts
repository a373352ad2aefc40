import { Readable } from 'node:stream'
import { intersectFilters } from '../mqtt/topic.js'
import type { Sessions } from '../sessions/sessions.js'
import type { PublishingAedes } from './aedes-broker.js'
import type { EmittedMessage } from './emitter.js'

/** Topics below `$SYS` on which this instance says something of itself. */
export interface OwnTopics {
  readonly messages: number
  readonly payloadBytes: number
  /** Publishes a value, unless it is what was published last, and keeps it for those who subscribe later. */
  publish(topic: string, value: string): void
}

const ROOT = '$SYS'

/**
 * Keeps them in memory, apart from other retained messages: they are worth nothing after a restart, every instance
 * has its own, and each write would cost the disk a flush. They come at QoS 0, also to sessions.
 */
export function createOwnTopics(aedes: PublishingAedes, { persistence, shared }: Sessions): OwnTopics {
  const values = new Map<string, Buffer>()
  let payloadBytes = 0
  let counter = 0
  const emitHere = shared?.emitHere ?? ((message: EmittedMessage) => aedes.mq.emit(message, () => undefined))

  const toPacket = (topic: string, payload: Buffer): EmittedMessage => {
    const fields = { cmd: 'publish', qos: 0, retain: true, dup: false } as const
    // A number of its own: the others count for messages that come in the order of theirs.
    return { ...fields, topic, payload, brokerId: `${aedes.id}/own`, brokerCounter: counter }
  }
  const findRetained = persistence.createRetainedStreamCombi.bind(persistence)
  const find = async function* (filters: readonly string[]) {
    for (const [topic, payload] of values) {
      if (filters.some((filter) => intersectFilters(filter, topic) !== undefined)) {
        yield toPacket(topic, payload)
      }
    }
    yield* findRetained(filters)
  }
  persistence.createRetainedStreamCombi = (filters) =>
    filters.some((filter) => filter.startsWith(ROOT)) ? Readable.from(find(filters)) : findRetained(filters)

  return {
    get messages() {
      return values.size
    },
    get payloadBytes() {
      return payloadBytes
    },
    publish(topic, value) {
      const payload = Buffer.from(value)
      const before = values.get(topic)
      if (before?.equals(payload) === true) return
      payloadBytes += payload.length - (before?.length ?? 0)
      values.set(topic, payload)
      counter += 1
      emitHere(toPacket(topic, payload))
    },
  }
}
