import type { Entry, Session } from './session.js'

/** What is queued, as Aedes's interface has it. */
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
  readonly dup: false
  readonly messageId: number | undefined
}

/** The queue of a session whose client is not here. */
export function listQueued(session: Session): readonly QueuedPacket[] {
  return session.queue.list().map(toPacket)
}

/** An entry of a queue. */
export function toPacket({ message, qos, packetId, isReleased }: Entry): QueuedPacket {
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
    dup: false,
    messageId: packetId,
  }
}
