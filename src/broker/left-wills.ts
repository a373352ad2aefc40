import type { Sessions, SharedWill } from '../sessions/sessions.js'
import { hasTooManyLevels, type PublishingAedes } from './aedes-broker.js'
import type { PublishingParts } from './publishing.js'

/**
 * Publishes the wills of clients whose connections ended with the process before, or with another instance, as
 * that would have done if it had seen them end. Their rights were looked at when they connected.
 */
export function publishLeftWills(
  aedes: PublishingAedes,
  {
    sessions: { own, shared },
    ingest,
  }: { readonly sessions: Sessions; readonly ingest: PublishingParts['ingest'] },
): void {
  const publishWill = ({ topic, payload, qos, retain }: SharedWill, published: () => void): void => {
    const publish = (): void =>
      aedes.publish({ cmd: 'publish', topic, payload, qos, retain, dup: false }, (error: unknown) => {
        if (error == null) published()
      })
    if (hasTooManyLevels(topic)) published()
    else if (!ingest.handle({ topic, payload, qos, hold: () => undefined }, publish)) publish()
  }
  for (const will of own?.leftWills ?? []) publishWill(will, () => void own?.forget(will))
  shared?.watchWills(publishWill)
}
