import type { JsonObject } from '../store/batch.js'
import type { JsonFault } from './parse-json.js'

/** One measured value. */
export interface Reading {
  readonly sensor: string
  readonly value: number | boolean
  readonly unit: string
  readonly type: string
  readonly recordedAtMs: number
  /** See `HistoryRow.discriminator`. */
  readonly discriminator: number
}

/** What a device's message says, checked and in one form whatever form it came in. */
export interface Report {
  readonly readings: readonly Reading[]
  readonly isHeartbeat: boolean
  readonly isOnline: boolean
  readonly status?: JsonObject
  readonly location?: JsonObject
  readonly deviceStatus?: string
  readonly ipAddress?: string
  readonly firmwareVersion?: string
}

/** Why a message as a whole is not stored. A stable word: it labels the counters and the log. */
export type RejectReason =
  | JsonFault
  | 'not-an-object'
  | 'nothing-to-store'
  | 'too-many-sensors'
  | 'unknown-device'
  | 'bad-device-name'
  | 'refused-by-database'
  | 'server-fault'

/** Why a part of a message was left out while the rest was stored. */
export type Omission =
  | 'bad-sensor-name'
  | 'bad-sensor-value'
  | 'bad-sensor-entry'
  | 'bad-unit'
  | 'bad-type'
  | 'bad-location'
  | 'bad-status-text'
  | 'bad-ip-address'
  | 'bad-firmware-version'

/** What decoding needs to know beside the message. */
export interface DecodeContext {
  /** When the message arrived, epoch ms. */
  readonly receivedAtMs: number
  /** The zone of a time without an offset. */
  readonly zoneOffsetMinutes: number
  /** Gives a new `HistoryRow.discriminator` to a reading that has no time of its own. */
  readonly nextDiscriminator: () => number
}

/** A message after decoding. */
export type Decoded =
  | { readonly report: Report; readonly omissions: readonly Omitted[] }
  | { readonly rejected: RejectReason; readonly omissions: readonly Omitted[] }

/** What was left out, and the name of the part (shortened; it comes from a peer). */
export interface Omitted {
  readonly what: Omission
  readonly name: string
}
