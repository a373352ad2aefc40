import type { Duplex } from 'node:stream'
import type { Backlog } from '../sessions/sessions.js'
import type { BackPressure } from './back-pressure.js'
import type { FanOut } from './fan-out.js'

/** Bounds on what is on its way to one client. */
export interface DeliveryLimits {
  /** Messages of QoS 1 and 2 that it may have unacknowledged. */
  readonly maxInflight: number
  /** Messages of QoS 1 and 2 that wait beside these. */
  readonly maxQueued: number
  /** What all that waits in memory may take. */
  readonly maxBufferedBytes: number
  /** How long its socket may take nothing of what waits. */
  readonly stalledAfterMs: number
}

/** What an outlet needs of its connection. */
export interface OutletParts {
  readonly limits: DeliveryLimits
  readonly stream: Duplex
  readonly pressure: BackPressure
  /** Asked when the first message comes; `undefined` for a clean session. */
  readonly backlog: (wake: () => void) => Backlog | undefined
  readonly mayReceive: (topic: string) => boolean
  readonly fanOut: FanOut
  /** Told of each message that found no room. */
  readonly dropped: (qos: 0 | 1 | 2) => void
}
