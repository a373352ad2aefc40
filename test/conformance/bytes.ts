/** Encodes whatever it is told to, be it a packet or not. */

/** The first byte of each packet, with the flags that it is to have. */
export const first = {
  connect: 0x10,
  connack: 0x20,
  publish: 0x30,
  puback: 0x40,
  pubrec: 0x50,
  pubrel: 0x62,
  pubcomp: 0x70,
  subscribe: 0x82,
  suback: 0x90,
  unsubscribe: 0xa2,
  unsuback: 0xb0,
  pingreq: 0xc0,
  pingresp: 0xd0,
  disconnect: 0xe0,
} as const

/** Text as UTF-8, bytes as they are. */
export type Part = string | Uint8Array | number

/** A 16-bit integer. */
export const uint16 = (value: number): Buffer => Buffer.of(value >> 8, value & 0xff)

/** Bytes, or a text, after their length in 16 bits. */
export function string(text: string | Uint8Array): Buffer {
  const bytes = Buffer.from(text)
  return Buffer.concat([uint16(bytes.length), bytes])
}

/** A remaining length, in as few bytes as possible. */
export function remainingLength(length: number): Buffer {
  const bytes: number[] = []
  let left = length
  do {
    bytes.push((left & 0x7f) | (left > 0x7f ? 0x80 : 0))
    left >>= 7
  } while (left > 0)
  return Buffer.from(bytes)
}

/** The parts one after the other; a number is a byte. */
export function bytes(...parts: readonly Part[]): Buffer {
  return Buffer.concat(parts.map((part) => (typeof part === 'number' ? Buffer.of(part) : Buffer.from(part))))
}

/** A packet with this first byte. */
export function packet(firstByte: number, ...body: readonly Part[]): Buffer {
  const content = bytes(...body)
  return bytes(firstByte, remainingLength(content.length), content)
}

/** The fields of a CONNECT; by default a right one with a client id of its own. */
export interface Connect {
  readonly firstByte?: number
  readonly name?: string
  readonly level?: number
  readonly flags?: number
  readonly keepAlive?: number
  readonly clientId?: string | Uint8Array
  /** What follows the client id. */
  readonly more?: readonly Part[]
}

let connects = 0

/** A CONNECT; a clean session if nothing is said of it. */
export function connect(fields: Connect = {}): Buffer {
  connects += 1
  const level = fields.level ?? 4
  return packet(
    fields.firstByte ?? first.connect,
    string(fields.name ?? (level === 3 ? 'MQIsdp' : 'MQTT')),
    level,
    fields.flags ?? 0x02,
    uint16(fields.keepAlive ?? 0),
    string(fields.clientId ?? `client${connects}`),
    ...(fields.more ?? []),
  )
}

/** What a PUBLISH may have. */
export interface Publish {
  readonly qos?: number
  readonly dup?: boolean
  readonly retain?: boolean
  readonly id?: number
}

/** A PUBLISH. Its packet identifier is there when it has one, whatever the QoS. */
export function publish(topic: string | Uint8Array, payload: string, options: Publish = {}): Buffer {
  const { qos = 0, dup = false, retain = false, id } = options
  const flags = (dup ? 8 : 0) | (qos << 1) | (retain ? 1 : 0)
  return packet(first.publish | flags, string(topic), ...(id === undefined ? [] : [uint16(id)]), payload)
}

/** A SUBSCRIBE, of filters and their options. */
export function subscribe(
  id: number,
  ...filters: readonly (readonly [string | Uint8Array, number])[]
): Buffer {
  return packet(
    first.subscribe,
    uint16(id),
    ...filters.flatMap(([filter, options]) => [string(filter), options]),
  )
}

/** An UNSUBSCRIBE. */
export function unsubscribe(id: number, ...filters: readonly (string | Uint8Array)[]): Buffer {
  return packet(first.unsubscribe, uint16(id), ...filters.map((filter) => string(filter)))
}

/** What a server answers. */
export const connack = (code = 0, isPresent = false): Buffer => packet(first.connack, isPresent ? 1 : 0, code)
export const suback = (id: number, ...codes: readonly number[]): Buffer =>
  packet(first.suback, uint16(id), ...codes)
export const unsuback = (id: number): Buffer => packet(first.unsuback, uint16(id))
export const puback = (id: number): Buffer => packet(first.puback, uint16(id))
export const pubrec = (id: number): Buffer => packet(first.pubrec, uint16(id))
export const pubrel = (id: number): Buffer => packet(first.pubrel, uint16(id))
export const pubcomp = (id: number): Buffer => packet(first.pubcomp, uint16(id))
export const pingreq: Buffer = packet(first.pingreq)
export const pingresp: Buffer = packet(first.pingresp)
export const disconnect: Buffer = packet(first.disconnect)
