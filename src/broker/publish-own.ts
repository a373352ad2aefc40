import type { PublishingAedes, PublishPacket } from './aedes-broker.js'

/** `Broker.publish`. No rule is asked, and ingest does not hear of it. */
export async function publishOwn(
  aedes: PublishingAedes,
  topic: string,
  payload: string,
  qos: 0 | 1 | 2,
): Promise<void> {
  const packet: PublishPacket = { cmd: 'publish', topic, payload, qos, retain: false, dup: false }
  const publication = aedes.begin(packet, null)
  try {
    await publication.store()
  } catch (error) {
    publication.abandon()
    throw error
  }
  publication.deliver()
}
