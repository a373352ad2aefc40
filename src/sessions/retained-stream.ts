import { Readable } from 'node:stream'

/** A retained message, as far as it matters here. */
export interface RetainedMessage {
  readonly topic: string
}

/**
 * The retained messages for new subscriptions, as Aedes pipes them: what `read` finds for these filters, but for
 * topics that begin with `$`, which no filter matches that begins with a wildcard [MQTT-4.7.2-1].
 */
export function streamRetained(
  filters: readonly string[],
  read: (filters: readonly string[]) => AsyncIterable<RetainedMessage>,
): Readable {
  return Readable.from(readRetained(filters, read))
}

async function* readRetained(
  filters: readonly string[],
  read: (filters: readonly string[]) => AsyncIterable<RetainedMessage>,
): AsyncGenerator<RetainedMessage> {
  const named = filters.filter((filter) => !startsWithWildcard(filter))
  const open = filters.filter(startsWithWildcard)
  if (named.length > 0) yield* read(named)
  if (open.length === 0) return
  for await (const message of read(open)) {
    if (!message.topic.startsWith('$')) yield message
  }
}

function startsWithWildcard(filter: string): boolean {
  return filter.startsWith('+') || filter.startsWith('#')
}
