import { encodePublish } from '../mqtt/encode-packet.js'

/** What the copies of one message for many clients have in common. */
export interface FanOut {
  /** The bytes of a message of QoS 0. */
  encode(message: FannedOut): Buffer
  /** The payload in memory of its own: as a part of what one read of a socket gave, it would keep all of it. */
  own(payload: Buffer | string): Buffer | string
  /** One buffer of several; the same one where the same are asked for again, as each subscriber does. */
  join(buffers: readonly Buffer[]): Buffer
}

/** A message for many. */
export interface FannedOut {
  readonly topic: string
  readonly payload: Buffer | string
  readonly isRetained: boolean
}

/** A message reaches all its subscribers in one turn; so it is enough to remember the last. */
export function createFanOut(): FanOut {
  let encoded: (FannedOut & { readonly bytes: Buffer }) | undefined
  let joined: { readonly parts: readonly Buffer[]; readonly bytes: Buffer } | undefined
  let owned: { readonly payload: Buffer; readonly copy: Buffer } | undefined
  return {
    encode({ topic, payload, isRetained }) {
      const isSame =
        encoded?.payload === payload && encoded.topic === topic && encoded.isRetained === isRetained
      if (encoded !== undefined && isSame) return encoded.bytes
      const fields = { qos: 0, isRepeated: false, packetIdentifier: 0 } as const
      const bytes = encodePublish({ topic, payload, isRetained, ...fields })
      encoded = { topic, payload, isRetained, bytes }
      return bytes
    },
    join(buffers) {
      const [only] = buffers
      if (only !== undefined && buffers.length === 1) return only
      if (joined !== undefined && hasSame(joined.parts, buffers)) return joined.bytes
      const bytes = Buffer.concat(buffers)
      joined = { parts: buffers, bytes }
      return bytes
    },
    own(payload) {
      if (typeof payload === 'string') return payload
      if (owned?.payload === payload) return owned.copy
      const copy = Buffer.allocUnsafeSlow(payload.length)
      payload.copy(copy)
      owned = { payload, copy }
      return copy
    },
  }
}

function hasSame(some: readonly Buffer[], others: readonly Buffer[]): boolean {
  return some.length === others.length && some.every((one, at) => one === others[at])
}
