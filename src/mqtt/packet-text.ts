import { faults, type PacketFault } from './packet-fault.js'

const SLASH = 0x2f
const PLUS = 0x2b
const HASH = 0x23

/** Which bytes say nothing but themselves: printable ASCII without the wildcards. */
const isPlain = Uint8Array.from({ length: 0x100 }, (_, byte) =>
  byte >= 0x20 && byte < 0x7f && byte !== PLUS && byte !== HASH ? 1 : 0,
)

/** Checks the string of `bytes` from `start` up to `end`, as every string of a packet is to be. */
export type TextCheck = (bytes: Uint8Array, start: number, end: number) => PacketFault | undefined

/**
 * Well-formed UTF-8 [MQTT-1.5.3-1] without U+0000 [MQTT-1.5.3-2]. Control characters and non-characters, on
 * which a server may close the connection (MQTT 3.1.1, 1.5.3), are refused, as Mosquitto refuses them.
 */
export const checkText: TextCheck = (bytes, start, end) => {
  let at = start
  while (at < end) {
    const byte = bytes[at] ?? 0
    if (byte >= 0x80) {
      const size = sequenceSize(byte)
      if (size === 0 || at + size > end) return faults.illFormedUtf8
      const fault = checkSequence(bytes, at, size)
      if (fault !== undefined) return fault
      at += size
      continue
    }
    if (byte === 0) return faults.nul
    if (byte < 0x20 || byte === 0x7f) return faults.controlCharacter
    at += 1
  }
  return undefined
}

/** A topic name: a string without wildcards [MQTT-3.3.2-2] that is not empty [MQTT-4.7.3-1]. */
export const checkTopic: TextCheck = (bytes, start, end) => {
  if (start === end) return faults.noTopic
  for (let at = start; at < end; at += 1) {
    if (isPlain[bytes[at] ?? 0] === 0) return checkUnusualTopic(bytes, at, end, faults.topicWildcard)
  }
  return undefined
}

/** The topic of a will, of which the same holds. */
export const checkWillTopic: TextCheck = (bytes, start, end) =>
  start === end ? faults.noWillTopic : checkUnusualTopic(bytes, start, end, faults.willTopicWildcard)

/** A topic filter, whose wildcards stand where they may [MQTT-4.7.1-2], [MQTT-4.7.1-3]. */
export const checkFilter: TextCheck = (bytes, start, end) => {
  if (start === end) return faults.noFilter
  const fault = checkText(bytes, start, end)
  if (fault !== undefined) return fault
  for (let at = start; at < end; at += 1) {
    const byte = bytes[at]
    if (byte !== PLUS && byte !== HASH) continue
    const beginsLevel = at === start || bytes[at - 1] === SLASH
    const isLast = at + 1 === end
    if (byte === HASH && !(beginsLevel && isLast)) return faults.multiLevelWildcard
    if (byte === PLUS && !(beginsLevel && (isLast || bytes[at + 1] === SLASH))) {
      return faults.singleLevelWildcard
    }
  }
  return undefined
}

function checkUnusualTopic(
  bytes: Uint8Array,
  start: number,
  end: number,
  wildcard: PacketFault,
): PacketFault | undefined {
  const fault = checkText(bytes, start, end)
  if (fault !== undefined) return fault
  for (let at = start; at < end; at += 1) {
    const byte = bytes[at]
    if (byte === PLUS || byte === HASH) return wildcard
  }
  return undefined
}

/** How many bytes a character has whose first byte is this one of 0x80 or more; 0: none begins so. */
function sequenceSize(lead: number): number {
  if (lead < 0xc2) return 0 // a continuation, or a character of ASCII in two bytes
  if (lead < 0xe0) return 2
  if (lead < 0xf0) return 3
  return lead < 0xf5 ? 4 : 0 // U+10FFFF is the last (RFC 3629, section 3)
}

function checkSequence(bytes: Uint8Array, start: number, size: number): PacketFault | undefined {
  let codePoint = (bytes[start] ?? 0) & (0x7f >> size)
  for (let at = start + 1; at < start + size; at += 1) {
    const byte = bytes[at] ?? 0
    if ((byte & 0xc0) !== 0x80) return faults.illFormedUtf8
    codePoint = (codePoint << 6) | (byte & 0x3f)
  }
  if ((size === 3 && codePoint < 0x800) || (size === 4 && codePoint < 0x1_0000)) return faults.illFormedUtf8
  if (codePoint > 0x10_ffff || (codePoint >= 0xd800 && codePoint <= 0xdfff)) return faults.illFormedUtf8
  if (codePoint < 0xa0) return faults.controlCharacter
  const isNonCharacter = (codePoint & 0xfffe) === 0xfffe || (codePoint >= 0xfdd0 && codePoint <= 0xfdef)
  return isNonCharacter ? faults.nonCharacter : undefined
}
