import type { Client, PublishPacket } from './aedes-broker.js'
import type { Connection } from './connection.js'
import type { InboundPublish } from './publishing.js'

/** A PUBLISH, or a will, as it goes its way through `Publishing`. */
export function toInbound(client: Client, connection: Connection, packet: PublishPacket): InboundPublish {
  const { topic, payload, qos, messageId } = packet
  return {
    clientId: client.id,
    isClean: client.clean,
    session: client.clean ? `connection ${connection.number}` : `client ${client.id}`,
    topic,
    payload: typeof payload === 'string' ? Buffer.from(payload) : payload,
    qos,
    packetIdentifier: messageId,
  }
}
