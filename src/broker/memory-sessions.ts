import MemoryPersistence from 'aedes-persistence/asyncPersistence.js'
import type { Sessions } from './sessions.js'

/** Sessions in this process's memory: they end with it. */
export function createMemorySessions(): Sessions {
  const persistence = new MemoryPersistence()
  return {
    persistence,
    isReady: () => true,
    async isReceived(clientId, messageId) {
      try {
        await persistence.incomingGetPacket({ id: clientId }, { messageId })
        return true
      } catch {
        return false // it rejects for a packet that it does not have, and for nothing else
      }
    },
    async unsubscribe(clientId, filters) {
      await persistence.removeSubscriptions({ id: clientId }, filters)
    },
    async close() {
      // Nothing is held but memory.
    },
  }
}
