import type { Acknowledgement, ReceivedPublish } from '../mqtt/read-packets.js'
import type { Client, PublishingAedes } from './aedes-broker.js'
import { hasTooManyLevels } from './aedes-broker.js'
import { parseInstead } from './aedes-parsing.js'
import type { Connection } from './connection.js'
import type { Publishing } from './publishing.js'
import { hasRepeatedFilter, subscribeInTurn } from './repeated-filters.js'

/** What receiving needs. */
export interface ReceivingParts {
  readonly aedes: PublishingAedes
  readonly publishing: Publishing
}

/** Takes what a client sends; resolves nothing, as its answers leave when they are due. Returns what is open. */
export type Receive = (client: Client, connection: Connection) => { readonly open: number }

/**
 * A PUBLISH of QoS 0 or 1 is handled here from its bytes to its PUBACK, and what a subscriber acknowledges is
 * checked against what it was sent. All else is Aedes's.
 */
export function createReceiving({ aedes, publishing }: ReceivingParts): Receive {
  return (client, connection) => {
    const { inlet, outlet, stream, subscriptions } = connection
    const fail = (reason: string): void => void client.emit('error', new Error(reason))
    const publish = (received: ReceivedPublish): void => {
      if (hasTooManyLevels(received.topic)) {
        fail('topic has too many levels')
        return
      }
      const { topic, payload, qos, isRetained: retain, packetIdentifier } = received
      const message = { cmd: 'publish', topic, payload, qos, retain } as const
      publishing.handle(
        connection,
        {
          clientId: client.id,
          isClean: client.clean,
          topic,
          payload,
          qos,
          packetIdentifier,
          received: undefined,
        },
        () => aedes.beginUnseen(message, client),
        (verdict) => {
          if (verdict === 'failed') fail('not stored')
          else if (packetIdentifier !== undefined && stream.writable) outlet.acknowledge(packetIdentifier)
        },
      )
    }
    const subscribeAgain = (packet: Parameters<typeof subscribeInTurn>[1]): void => {
      inlet.hold(true)
      const answer = (suback: Buffer): void => {
        if (stream.writable) stream.write(suback)
      }
      subscribeInTurn(client, packet, subscriptions, answer)
        .catch((error: unknown) => fail(error instanceof Error ? error.message : String(error)))
        .finally(() => inlet.hold(false))
    }
    const parsing = parseInstead(
      client,
      (own) => ({
        isOpen: () => !client.closed && !inlet.isRefused,
        publish,
        acknowledge(kind: Acknowledgement, packetIdentifier) {
          const fault = outlet.received(kind, packetIdentifier)
          if (fault === undefined) own.handle({ cmd: kind, messageId: packetIdentifier })
          else inlet.refuse(fault)
        },
        other: own.parse,
      }),
      (packet) => {
        if (!hasRepeatedFilter(packet)) return false
        subscribeAgain(packet)
        return true
      },
      () => inlet.settled(),
    )
    inlet.giveAtOnce(parsing)
    return parsing
  }
}
