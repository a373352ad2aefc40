import type { PublishingAedes, PublishOptions, PublishPacket } from './aedes-broker.js'

/**
 * Publishes a message of the server's own: no rule is asked, and ingest does not hear of it. It is kept for those who
 * are to have it when the promise resolves. Rejects where it could not be kept, on a full disk say; those who are here
 * get it all the same, as far as sessions are on disk. While Redis is away this waits.
 */
export async function publishOwn(
  aedes: PublishingAedes,
  topic: string,
  payload: string,
  { qos, retain = false }: PublishOptions,
): Promise<void> {
  const packet: PublishPacket = {
    cmd: 'publish',
    topic,
    payload: Buffer.from(payload),
    qos,
    retain,
    dup: false,
  }
  const publication = aedes.begin(packet, null)
  try {
    await publication.store()
  } finally {
    publication.deliver()
  }
}
