import type { Traffic } from '../metrics/traffic.js'
import { PacketType } from '../mqtt/packet-facts.js'
import { createPacketMeter } from '../mqtt/packet-meter.js'

/** Counts one direction of a connection, whose whole packets, or parts of them, it is shown in their order. */
export function createTrafficMeter(traffic: Traffic): (bytes: Uint8Array) => void {
  const packets = createPacketMeter((type, qos, payloadBytes) => {
    traffic.packets += 1
    if (type === PacketType.publish) {
      traffic.publishes[qos === 2 ? 2 : qos === 1 ? 1 : 0] += 1
      traffic.payloadBytes += payloadBytes
    } else if (type === PacketType.connect) traffic.connects += 1
  })
  return (bytes) => {
    traffic.bytes += bytes.length
    packets.take(bytes)
  }
}
