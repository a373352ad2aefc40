import type { Client, PublishPacket } from './aedes-broker.js'
import type { Connection } from './connection.js'
import type { InboundPublish } from './publishing.js'

/** A PUBLISH, or a will, as it goes its way through `Publishing`. */
export function toInbound(client: Client, connection: Connection, packet: PublishPacket): InboundPublish {
  const { topic, payload, qos, messageId } = packet
  const session = client.clean ? `connection ${connection.number}` : `client ${client.id}`
  const isReceived = qos === 2 && messageId !== undefined
  return {
    clientId: client.id,
    isClean: client.clean,
    topic,
    payload: typeof payload === 'string' ? Buffer.from(payload) : payload,
    qos,
    packetIdentifier: messageId,
    received: isReceived ? { clientId: client.id, session, packetIdentifier: messageId } : undefined,
  }
}
