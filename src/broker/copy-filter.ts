import type { Stamped } from '../sessions/sessions.js'

/** Whether a message is the first copy of its that comes. One that no broker has numbered always is. */
export type CopyFilter = (message: Stamped) => boolean

/**
 * A message that matches several of a client's subscriptions comes once for each of them. The messages of a broker
 * come in the order of their numbers.
 */
export function createCopyFilter(): CopyFilter {
  const newest = new Map<string, number>()
  return ({ brokerId, brokerCounter = 0 }) => {
    if (brokerId === undefined) return true
    if ((newest.get(brokerId) ?? 0) >= brokerCounter) return false
    newest.set(brokerId, brokerCounter)
    return true
  }
}
