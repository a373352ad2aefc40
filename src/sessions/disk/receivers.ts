import type { Tally } from '../../metrics/tally.js'
import type { Session } from './session.js'
import type { SessionDirectory } from './session-directory.js'

/** A subscription of a session. */
export interface SessionSubscription {
  readonly clientId: string
  readonly topic: string
  readonly qos: 0 | 1 | 2
}

/** Who is to have a message in the queue, and at which QoS [MQTT-3.8.4-6]. */
export type Receivers = ReadonlyMap<Session, 0 | 1 | 2>

/** No session. */
export const NOBODY: Receivers = new Map()

/** What the choice depends on. */
export interface Choice {
  readonly directory: Pick<SessionDirectory, 'find'>
  readonly maxQueued: number
  readonly maxInflight: number
  readonly tally: Pick<Tally, 'queueDropped'>
}

/** The newest message finds no place in a queue that is full, as with Mosquitto. */
export function chooseReceivers(
  { directory, maxQueued, maxInflight, tally }: Choice,
  { topic, qos }: { readonly topic: string; readonly qos: 0 | 1 | 2 },
  subscriptions: readonly SessionSubscription[],
): Receivers {
  const receivers = new Map<Session, 0 | 1 | 2>()
  if (subscriptions.length === 0) return receivers
  for (const { clientId, topic: filter, qos: granted } of subscriptions) {
    const session = directory.find(clientId)
    const isHidden = topic.startsWith('$') && /^[+#]/.test(filter) // [MQTT-4.7.2-1]
    if (session === undefined || isHidden) continue
    const lower = granted < qos ? granted : qos
    receivers.set(session, lower > (receivers.get(session) ?? 0) ? lower : (receivers.get(session) ?? lower))
  }
  for (const session of receivers.keys()) {
    const limit = session.client === undefined ? maxQueued : maxQueued + maxInflight
    if (session.queue.length + session.reserved < limit) continue
    tally.queueDropped += 1
    receivers.delete(session)
  }
  return receivers
}
