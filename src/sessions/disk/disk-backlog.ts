import type { Backlog, Outgoing, PacketIdentifiers } from '../sessions.js'
import { identifyAll, type LateWrites } from './late-writes.js'
import type { Entry, Session, SessionClient } from './session.js'
import type { SessionDirectory } from './session-directory.js'
import type { SessionJournal } from './session-journal.js'

/** What a backlog works on. */
export interface DiskBacklogParts {
  readonly directory: SessionDirectory
  readonly journal: SessionJournal
  readonly late: LateWrites
}

/**
 * The queue of a session for one connection of its client. A message that is published is in the queue before it
 * reaches anyone, so all that comes to the connection at QoS 1 and 2 comes from here, in its order.
 */
export function createDiskBacklog(client: SessionClient, parts: DiskBacklogParts): Backlog {
  const { directory } = parts
  /** `undefined` also once another connection has taken over. */
  const session = (): Session | undefined => {
    const found = directory.find(client.id)
    return found?.client === client ? found : undefined
  }
  return {
    holds: ({ brokerId, brokerCounter }) => session()?.queue.find(brokerId, brokerCounter) !== undefined,
    take(count, identifiers) {
      const found = session()
      return found === undefined ? [] : take(found, found.queue.next(count), identifiers, parts)
    },
    async discard(packetIdentifier) {
      const found = session()
      const entry = found?.queue.identified(packetIdentifier)
      if (found !== undefined && entry !== undefined) directory.dequeue(found, entry)
    },
    reserves: (packetIdentifier) => session()?.queue.identified(packetIdentifier) !== undefined,
  }
}

/**
 * Packet identifiers are given together, and not one by one with a commit for each. At QoS 2 the client tells by
 * them what it has already, so they are on disk before they are sent [MQTT-4.4.0-1].
 */
function take(
  session: Session,
  entries: readonly Entry[],
  identifiers: PacketIdentifiers,
  { journal, late }: DiskBacklogParts,
): readonly Outgoing[] | Promise<readonly Outgoing[]> {
  const { queue, client } = session
  const outgoing = entries.map((entry): readonly [Entry, Outgoing] => {
    const isRepeated = entry.packetId !== undefined
    if (entry.packetId === undefined) queue.identify(entry, identifiers.take())
    else identifiers.claim(entry.packetId)
    return [entry, toOutgoing(entry, isRepeated)]
  })
  const unsaved = entries.filter(({ packetId, saved }) => packetId !== saved.packetId)
  if (!unsaved.some(({ qos }) => qos === 2)) {
    for (const entry of unsaved) late.identified(session, entry)
    return outgoing.map(([, packet]) => packet)
  }
  const before = unsaved.map((entry) => [entry, entry.saved] as const)
  const isWanted = (): boolean => session.client === client
  return journal.persist([identifyAll(unsaved.map((entry) => [entry, session]))], isWanted).then(
    () => outgoing.flatMap(([entry, packet]) => (queue.has(entry) ? [packet] : [])),
    (error: unknown) => {
      for (const [entry, saved] of before) entry.saved = saved
      throw error
    },
  )
}

function toOutgoing({ message, qos, packetId = 0, isReleased }: Entry, isRepeated: boolean): Outgoing {
  if (isReleased) return { cmd: 'pubrel', packetIdentifier: packetId }
  const { topic, payload } = message
  return { cmd: 'publish', topic, payload, qos, isRepeated, packetIdentifier: packetId }
}
