/** What a server has answered on one connection. */
export interface Answers {
  /** Takes bytes as they come. */
  take(chunk: Buffer): void
  /** Whether CONNACK 0 has come. */
  readonly isAccepted: boolean
  readonly pings: number
  /** PUBACK, PUBREC, PUBCOMP, SUBACK and UNSUBACK. */
  readonly others: number
  /** Messages that were delivered. */
  readonly messages: number
}

const CONNACK = 2
const PUBLISH = 3
const PINGRESP = 13
const ACKNOWLEDGEMENTS: readonly number[] = [4, 5, 7, 9, 11]

/** Counts packets by their fixed headers, and steps over what they carry: most of it is nobody's here. */
export function createAnswers(): Answers {
  const counts = new Uint32Array(16)
  let isAccepted = false
  let type = 0
  /** Of the packet that began last: bytes of its length so far, or -1 when it is known; and bytes to come. */
  let lengthBytes = -1
  let left = 0

  const readHeader = (byte: number): void => {
    if (lengthBytes === -1) {
      type = byte >> 4
      lengthBytes = 0
      left = 0
      return
    }
    left |= (byte & 0x7f) << (7 * lengthBytes)
    lengthBytes = (byte & 0x80) === 0 ? -1 : lengthBytes + 1
    if (lengthBytes === -1) counts[type] = (counts[type] ?? 0) + 1
  }

  return {
    take(chunk) {
      for (let at = 0; at < chunk.length; ) {
        if (lengthBytes === -1 && left > 0) {
          const step = Math.min(left, chunk.length - at)
          at += step
          left -= step
          // Its last byte is the return code.
          if (type === CONNACK && left === 0) isAccepted = chunk[at - 1] === 0
        } else {
          readHeader(chunk[at] ?? 0)
          at += 1
        }
      }
    },
    get isAccepted() {
      return isAccepted
    },
    get pings() {
      return counts[PINGRESP] ?? 0
    },
    get others() {
      return ACKNOWLEDGEMENTS.reduce((sum, one) => sum + (counts[one] ?? 0), 0)
    },
    get messages() {
      return counts[PUBLISH] ?? 0
    },
  }
}
