import type { Stamped } from '../sessions/sessions.js'

/** Whether a message is the first copy of its that comes. One that no broker has numbered always is. */
export type CopyFilter = (message: Stamped) => boolean

/**
 * A message that matches several of a client's subscriptions comes once for each of them. The messages of a broker
 * come in the order of their numbers.
 */
export function createCopyFilter(): CopyFilter {
  // Nearly all are of one broker, whose number is not looked up each time.
  let others: Map<string, number> | undefined
  let usual: string | undefined
  let newestOfUsual = 0
  return ({ brokerId, brokerCounter = 0 }) => {
    if (brokerId === undefined) return true
    usual ??= brokerId
    if (brokerId === usual) {
      if (newestOfUsual >= brokerCounter) return false
      newestOfUsual = brokerCounter
      return true
    }
    others ??= new Map()
    if ((others.get(brokerId) ?? 0) >= brokerCounter) return false
    others.set(brokerId, brokerCounter)
    return true
  }
}
