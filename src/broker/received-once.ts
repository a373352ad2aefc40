/** Tells a QoS 2 message from its retransmission, until the client has released it. */
export interface ReceivedOnce {
  /**
   * Calls `store` for a message seen for the first time, and `proceed` when the message, or the one that it
   * repeats, has settled.
   */
  receive(message: InboundQos2, store: (settled: () => void) => void, proceed: () => void): void
}

/** A QoS 2 message as its client names it. */
export interface InboundQos2 {
  readonly clientId: string
  /**
   * The session that the packet identifier belongs to: a clean one ends with its connection, and the next may use
   * the same for other messages [MQTT-3.1.2-6].
   */
  readonly session: string
  readonly packetIdentifier: number
}

/**
 * A message is known from its arrival: while it is being stored it is known here, and after that to the
 * sessions, as `isReceived` tells. So a client that lost its connection meanwhile may send it again, and it
 * is stored once [MQTT-4.3.3-2].
 */
export function createReceivedOnce(
  isReceived: (clientId: string, packetIdentifier: number) => Promise<boolean>,
): ReceivedOnce {
  const settling = new Map<string, (() => void)[]>()

  const settle = (key: string, proceed: () => void): void => {
    proceed() // the broker records the message in its session now
    setImmediate(() => {
      const repeats = settling.get(key) ?? []
      settling.delete(key)
      for (const repeat of repeats) repeat()
    })
  }

  return {
    receive({ clientId, session, packetIdentifier }, store, proceed) {
      const key = `${packetIdentifier} ${session}`
      const repeats = settling.get(key)
      if (repeats !== undefined) {
        repeats.push(proceed)
        return
      }
      settling.set(key, [])
      const begin = (isKnown: boolean): void => {
        if (isKnown) settle(key, proceed)
        else store(() => settle(key, proceed))
      }
      isReceived(clientId, packetIdentifier).then(begin, () => begin(false))
    },
  }
}
