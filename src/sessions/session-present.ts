/** A subscription as Aedes restores it. */
interface Restored {
  readonly topic: string
  readonly qos: 0 | 1 | 2
}

/**
 * A filter that no client can have subscribed to [MQTT-4.7.3-2]. Aedes says that a session is present where it has a
 * subscription to restore; this one is for a session that has none, and is not to be granted.
 */
export const NO_FILTER = '\u0000'

/** The subscriptions of a session that is there, so that its client is told of it [MQTT-3.2.2-2]. */
export function ofPresentSession<T extends Restored>(stored: readonly T[]): readonly (T | Restored)[] {
  return stored.length > 0 ? stored : [{ topic: NO_FILTER, qos: 0 }]
}
