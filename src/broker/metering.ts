import type { Duplex } from 'node:stream'
import type { Tally } from '../metrics/tally.js'
import type { Traffic } from '../metrics/traffic.js'
import { PacketType } from '../mqtt/packet-facts.js'
import { createPacketMeter } from '../mqtt/packet-meter.js'

/**
 * Counts what is read from and written to `stream`, whose `read` is to give whole packets by now, and whose `write`
 * is not to be replaced by anything that writes otherwise.
 */
export function meter(stream: Duplex, tally: Pick<Tally, 'trafficIn' | 'trafficOut'>): void {
  const received = createTrafficMeter(tally.trafficIn)
  const sent = createTrafficMeter(tally.trafficOut)
  const read = stream.read.bind(stream)
  const write = stream.write.bind(stream)
  stream.read = (size?: number): unknown => {
    const packets: unknown = read(size)
    if (packets instanceof Uint8Array) received(packets)
    return packets
  }
  stream.write = (...args: unknown[]): boolean => {
    const [bytes] = args
    if (bytes instanceof Uint8Array) sent(bytes)
    return Reflect.apply(write, stream, args) === true
  }
}

function createTrafficMeter(traffic: Traffic): (bytes: Uint8Array) => void {
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
