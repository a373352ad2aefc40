/** The type of a packet, as it stands in the upper half of its first byte. (MQTT 3.1.1, table 2.1) */
export const PacketType = { connack: 2, publish: 3, puback: 4, suback: 9 } as const

/** A packet as it came. */
export interface Packet {
  readonly type: number
  /** What follows the fixed header. */
  readonly body: Buffer
}

/** A CONNECT, with a clean session unless one is to be kept. (MQTT 3.1.1, 3.1) */
export function connectPacket(
  clientId: string,
  user: string,
  password: string,
  keepAliveSeconds: number,
  keepsSession = false,
): Buffer {
  const flags = keepsSession ? 0b1100_0000 : 0b1100_0010 // user name, password, clean session
  const variable = Buffer.from([...field('MQTT'), 4, flags, keepAliveSeconds >> 8, keepAliveSeconds & 255])
  return packet(0x10, variable, field(clientId), field(user), field(password))
}

/** A PUBLISH at QoS 1, or 2 where that is said, or at QoS 0 without a packet identifier. (MQTT 3.1.1, 3.3) */
export function publishPacket(
  topic: string,
  packetIdentifier: number | undefined,
  payload: string,
  qos: 1 | 2 = 1,
): Buffer {
  if (packetIdentifier === undefined) return packet(0x30, field(topic), Buffer.from(payload))
  const identifier = Buffer.from([packetIdentifier >> 8, packetIdentifier & 255])
  return packet(0x30 | (qos << 1), field(topic), identifier, Buffer.from(payload))
}

/** A PUBREL. (MQTT 3.1.1, 3.6) */
export function pubrelPacket(packetIdentifier: number): Buffer {
  return Buffer.from([0x62, 2, packetIdentifier >> 8, packetIdentifier & 255])
}

/** A PUBACK. (MQTT 3.1.1, 3.4) */
export function pubackPacket(packetIdentifier: number): Buffer {
  return Buffer.from([0x40, 2, packetIdentifier >> 8, packetIdentifier & 255])
}

/** A SUBSCRIBE to one filter. (MQTT 3.1.1, 3.8) */
export function subscribePacket(packetIdentifier: number, filter: string, qos: 0 | 1 | 2): Buffer {
  const identifier = Buffer.from([packetIdentifier >> 8, packetIdentifier & 255])
  return packet(0x82, identifier, field(filter), Buffer.from([qos]))
}

/** A PINGREQ. (MQTT 3.1.1, 3.12) */
export const PINGREQ = Buffer.from([0xc0, 0])

/** A DISCONNECT. (MQTT 3.1.1, 3.14) */
export const DISCONNECT = Buffer.from([0xe0, 0])

/** Takes packets out of a connection's bytes, however these were cut; for answers of less than 128 bytes. */
export function createPacketReader(onPacket: (packet: Packet) => void): (chunk: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0)
  return (chunk) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    for (;;) {
      const [first, length] = rest
      if (first === undefined || length === undefined || rest.length < 2 + length) return
      onPacket({ type: first >> 4, body: rest.subarray(2, 2 + length) })
      rest = rest.subarray(2 + length)
    }
  }
}

function field(text: string): Buffer {
  const bytes = Buffer.from(text)
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes])
}

function packet(first: number, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts)
  const length: number[] = []
  for (let left = body.length; length.length === 0 || left > 0; left >>= 7) {
    length.push((left & 127) | (left > 127 ? 128 : 0)) // MQTT 3.1.1, 2.2.3
  }
  return Buffer.concat([Buffer.from([first, ...length]), body])
}
