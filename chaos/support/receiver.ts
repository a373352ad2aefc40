import type { IPublishPacket, Packet } from 'mqtt-packet'

/** Takes a packet of a server, and answers it. */
export type Receiver = (packet: Packet, answer: (packet: Packet) => void) => void

/**
 * Hands on what comes, and answers as a receiver does that keeps its part of the session over its connections:
 * MQTT 3.1.1, 4.3.3, method A.
 */
export function createReceiver(handOn: (packet: IPublishPacket) => void): Receiver {
  const received = new Set<number>()
  return (packet, answer) => {
    const { messageId = 0 } = packet
    if (packet.cmd === 'pubrel') {
      received.delete(messageId)
      answer({ cmd: 'pubcomp', messageId })
    } else if (packet.cmd === 'publish' && packet.qos === 2) {
      if (!received.has(messageId)) handOn(packet)
      received.add(messageId)
      answer({ cmd: 'pubrec', messageId })
    } else if (packet.cmd === 'publish') {
      handOn(packet)
      if (packet.qos === 1) answer({ cmd: 'puback', messageId })
    }
  }
}
