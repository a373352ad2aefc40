import { identifyAll, type LateWrites } from './late-writes.js'
import { type Entry, PACKET_IDENTIFIERS, type Session, type SessionClient } from './session.js'
import type { SessionJournal } from './session-journal.js'

/** What is queued, as Aedes sends it. */
export type QueuedPacket = QueuedPublish | { readonly cmd: 'pubrel'; readonly messageId: number | undefined }

/** A queued PUBLISH. */
export interface QueuedPublish {
  readonly cmd: 'publish'
  readonly brokerId: string | undefined
  readonly brokerCounter: number
  readonly topic: string
  readonly payload: Buffer | string
  readonly qos: 0 | 1 | 2
  readonly retain: false
  readonly dup: boolean
  readonly messageId: number | undefined
}

/** Messages that are given their packet identifiers in one commit. */
const AT_ONCE = 1000

/** The queue of a session whose client is not here. */
export function listQueued(session: Session): readonly QueuedPacket[] {
  return session.queue.behind(0).map((entry) => toPacket(entry, false))
}

/**
 * What waits for a client that has come back, in order, and what comes meanwhile behind it. It ends when the
 * client has been passed everything; from then on messages reach it without waiting in the queue first.
 */
export async function* replay(
  session: Session,
  client: SessionClient,
  files: { readonly journal: SessionJournal; readonly late: LateWrites },
): AsyncGenerator<QueuedPacket> {
  let place = 0
  session.isLive = false
  while (session.client === client) {
    const batch = session.queue.behind(place).slice(0, AT_ONCE)
    const last = batch.at(-1)
    if (last === undefined) {
      session.isLive = true
      return
    }
    place = last.place
    const repeated = new Set(batch.filter(({ packetId }) => packetId !== undefined))
    await identify(session, client, batch, files)
    const waiting = batch.filter((entry) => session.queue.has(entry))
    for (const [index, entry] of waiting.entries()) {
      const passed = index === waiting.length - 1 ? untilPassed(session, entry) : undefined
      entry.takenBy = client
      yield toPacket(entry, repeated.has(entry))
      await passed
    }
  }
}

/** The stream's reader is ahead of what it has sent; the turn after it asks to send an entry, that is sent. */
function untilPassed(session: Session, { packetId }: Entry): Promise<void> {
  return new Promise((resolve) => {
    session.awaited = { packetId, passed: () => setImmediate(resolve) }
  })
}

/**
 * Gives packet identifiers to those who have none, together, and not one by one with a commit for each. At QoS 2
 * the client tells by them what it has already, so they are on disk before they are sent [MQTT-4.4.0-1].
 */
async function identify(
  session: Session,
  client: SessionClient,
  batch: readonly Entry[],
  { journal, late }: { readonly journal: SessionJournal; readonly late: LateWrites },
): Promise<void> {
  const { queue } = session
  const own: unknown = Reflect.get(client, '_nextId')
  const used = batch.map(({ packetId = 0 }) => packetId).reduce((most, one) => Math.max(most, one), 0)
  let packetId = used === 0 && typeof own === 'number' ? own % PACKET_IDENTIFIERS : used
  const fresh = batch.filter((entry) => entry.packetId === undefined)
  for (const entry of fresh) {
    packetId = queue.freePacketId(packetId)
    queue.identify(entry, packetId)
  }
  // Aedes counts on from where it chose to begin, and does not look which identifiers are in use.
  Reflect.set(client, '_nextId', (packetId % PACKET_IDENTIFIERS) + 1)
  const unsaved = batch.filter((entry) => entry.packetId !== entry.saved.packetId)
  if (!unsaved.some(({ qos }) => qos === 2)) {
    for (const entry of unsaved) late.identified(session, entry)
    return
  }
  const before = unsaved.map((entry) => [entry, entry.saved] as const)
  const change = identifyAll(unsaved.map((entry) => [entry, session]))
  await journal
    .persist([change], () => session.client === client)
    .catch((error: unknown) => {
      for (const [entry, saved] of before) entry.saved = saved
      throw error
    })
}

/** An entry as Aedes sends it; `isRepeated`: it was sent before [MQTT-3.3.1-1]. */
export function toPacket({ message, qos, packetId, isReleased }: Entry, isRepeated: boolean): QueuedPacket {
  if (isReleased) return { cmd: 'pubrel', messageId: packetId }
  const { brokerId, brokerCounter, topic, payload } = message
  return {
    cmd: 'publish',
    brokerId,
    brokerCounter,
    topic,
    payload,
    qos,
    retain: false,
    dup: isRepeated,
    messageId: packetId,
  }
}
