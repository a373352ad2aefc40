import { Readable } from 'node:stream'
import MemoryPersistence from 'aedes-persistence/asyncPersistence.js'
import { intersectFilters } from '../../mqtt/topic.js'

type Client = Parameters<MemoryPersistence['addSubscriptions']>[0]
type Subscription = Parameters<MemoryPersistence['addSubscriptions']>[1][number]

/** Stands for an empty level, and can be in no topic [MQTT-4.7.3-2]. */
const EMPTY = '\u0000'

/**
 * The class of aedes-persistence with topics matched to the letter. Its look-up finds no empty level where a filter
 * has `+` (MQTT 3.1.1, 4.7.1.3), and finds topics that begin with `$` where one begins with a wildcard
 * [MQTT-4.7.2-1].
 */
export class ExactPersistence extends MemoryPersistence {
  override async addSubscriptions(client: Client, subscriptions: readonly Subscription[]): Promise<void> {
    const filled = subscriptions.map((one) => ({ ...one, topic: fill(one.topic) }))
    await super.addSubscriptions(client, filled)
  }

  override async removeSubscriptions(client: Client, filters: readonly string[]): Promise<void> {
    await super.removeSubscriptions(client, filters.map(fill))
  }

  override async subscriptionsByClient(
    client: Client,
  ): ReturnType<MemoryPersistence['subscriptionsByClient']> {
    return (await super.subscriptionsByClient(client)).map((one) => ({ ...one, topic: empty(one.topic) }))
  }

  override async subscriptionsByTopic(topic: string): ReturnType<MemoryPersistence['subscriptionsByTopic']> {
    const found = await super.subscriptionsByTopic(fill(topic))
    return found
      .map((one) => ({ ...one, topic: empty(one.topic) }))
      .filter((one) => intersectFilters(one.topic, topic) !== undefined)
  }

  /** Aedes pipes them to their subscriber: each for every filter that matches, as the filters are so many SUBSCRIBEs. */
  override createRetainedStreamCombi(filters: readonly string[]): Readable {
    return Readable.from(this.#retained(filters))
  }

  override createRetainedStream(filter: string): Readable {
    return this.createRetainedStreamCombi([filter])
  }

  async *#retained(filters: readonly string[]): AsyncGenerator<{ readonly topic: string }> {
    for await (const message of super.createRetainedStreamCombi(['#'])) {
      for (const filter of filters) {
        if (intersectFilters(filter, message.topic) !== undefined) yield message
      }
    }
  }
}

function fill(name: string): string {
  if (!name.includes('//') && !name.startsWith('/') && !name.endsWith('/')) return name
  return name
    .split('/')
    .map((level) => level || EMPTY)
    .join('/')
}

function empty(name: string): string {
  return name.replaceAll(EMPTY, '')
}
