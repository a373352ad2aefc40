import type { Sessions } from '../sessions/sessions.js'
import { hasTooManyLevels, type PublishingAedes } from './aedes-broker.js'
import type { PublishingParts } from './publishing.js'

/**
 * Publishes the wills of clients whose connections ended with the process before, as that would have done if it
 * had seen them end. Their rights were looked at when they connected.
 */
export function publishLeftWills(
  aedes: PublishingAedes,
  { sessions: { own }, ingest }: { readonly sessions: Sessions; readonly ingest: PublishingParts['ingest'] },
): void {
  for (const will of own?.leftWills ?? []) {
    const { topic, payload, qos, retain } = will
    const publish = (): void =>
      aedes.publish({ cmd: 'publish', topic, payload, qos, retain, dup: false }, () => void own?.forget(will))
    if (hasTooManyLevels(topic)) void own?.forget(will)
    else if (!ingest.handle({ topic, payload, qos, hold: () => undefined }, publish)) publish()
  }
}
