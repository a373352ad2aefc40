import { intersectFilters } from '../../mqtt/topic.js'
import type { SessionSubscription } from './receivers.js'

/** The subscriptions of sessions, and which of them are new. */
export interface CurrentSubscriptions {
  /** How many have been made. */
  readonly made: number
  add(clientId: string, subscriptions: readonly Omit<SessionSubscription, 'clientId'>[]): void
  remove(clientId: string, filters: readonly string[]): void
  removeAll(clientId: string): void
  /** How many a client's session has. */
  count(clientId: string): number
  /** Those to a topic that were made after so many. */
  since(made: number, topic: string): readonly SessionSubscription[]
}

/** What is made while a message is being stored; if it is more, all subscriptions are looked at. */
const MAX_RECENT = 10_000

/** No subscriptions. */
export function createCurrentSubscriptions(): CurrentSubscriptions {
  const sessions = new Map<string, Map<string, 0 | 1 | 2>>()
  let recent: SessionSubscription[] = []
  let made = 0
  /** How many had been made before those in `recent`. */
  let madeBefore = 0

  const all = (): SessionSubscription[] =>
    [...sessions].flatMap(([clientId, filters]) =>
      [...filters].map(([topic, qos]) => ({ clientId, topic, qos })),
    )

  return {
    get made() {
      return made
    },
    add(clientId, subscriptions) {
      const filters = sessions.get(clientId) ?? new Map<string, 0 | 1 | 2>()
      sessions.set(clientId, filters)
      for (const { topic, qos } of subscriptions) {
        filters.set(topic, qos)
        recent.push({ clientId, topic, qos })
      }
      made += subscriptions.length
      if (recent.length <= MAX_RECENT) return
      recent = []
      madeBefore = made
    },
    remove(clientId, removed) {
      const filters = sessions.get(clientId)
      for (const filter of removed) filters?.delete(filter)
      if (filters?.size === 0) sessions.delete(clientId)
    },
    removeAll: (clientId) => void sessions.delete(clientId),
    count: (clientId) => sessions.get(clientId)?.size ?? 0,
    since(before, topic) {
      if (before === made) return []
      const later = before < madeBefore ? all() : recent.slice(before - madeBefore)
      return later.filter(
        (one) =>
          intersectFilters(one.topic, topic) !== undefined &&
          sessions.get(one.clientId)?.get(one.topic) === one.qos,
      )
    },
  }
}
