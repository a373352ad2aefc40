/** Packet identifiers of the QoS 2 messages that clients have sent and not released. */
export interface ReceivedIdentifiers {
  add(clientId: string, packetIdentifier: number): void
  has(clientId: string, packetIdentifier: number): boolean
  /** Whether it was there. */
  remove(clientId: string, packetIdentifier: number): boolean
  removeAll(clientId: string): void
}

/** None yet. A client may have all 65,535, at some 20 bytes: the messages themselves are kept nowhere for it. */
export function createReceivedIdentifiers(): ReceivedIdentifiers {
  const clients = new Map<string, Set<number>>()

  return {
    add(clientId, packetIdentifier) {
      const known = clients.get(clientId)
      if (known === undefined) clients.set(clientId, new Set([packetIdentifier]))
      else known.add(packetIdentifier)
    },
    has: (clientId, packetIdentifier) => clients.get(clientId)?.has(packetIdentifier) === true,
    remove(clientId, packetIdentifier) {
      const known = clients.get(clientId)
      if (known?.delete(packetIdentifier) !== true) return false
      if (known.size === 0) clients.delete(clientId)
      return true
    },
    removeAll: (clientId) => void clients.delete(clientId),
  }
}
