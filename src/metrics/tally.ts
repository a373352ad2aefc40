import { createHistogram, type Histogram } from './histogram.js'
import { createTraffic, type Traffic } from './traffic.js'

/** What a connection speaks below MQTT. */
export type Transport = (typeof TRANSPORTS)[number]

/** All of them. */
export const TRANSPORTS = ['tcp', 'tls', 'ws', 'wss'] as const

/** Counts since the start of the process; each part adds to its own. */
export interface Tally {
  /** Messages on device topics. Each ends as stored, spooled, rejected or dropped. */
  received: number
  stored: number
  /** Messages that went to the spool; each is replayed, or refused, later: perhaps by another run. */
  spooled: number
  replayed: number
  replayRefused: number
  /** What is in the spool now, whichever run of the server put it there. */
  spoolMessages: number
  spoolBytes: number
  /** When the oldest of it was received, epoch ms. */
  spoolOldestMs: number | undefined
  /** Since when the database takes no writes, epoch ms. */
  storeFailsSinceMs: number | undefined
  /** Since when nothing is acknowledged, as neither the database nor the spool takes it, epoch ms. */
  stuckSinceMs: number | undefined
  /** Messages not stored, by reason. */
  readonly rejected: Map<string, number>
  /** QoS 0 messages that found the queue full: the database could not keep up, and the spool took no more. */
  dropped: number
  /** Readings in the stored messages. */
  readings: number
  batches: number
  /** Messages in a batch that was stored, and the seconds that it took. */
  readonly batchSizes: Histogram
  readonly batchSeconds: Histogram
  /** Seconds from the arrival of a PUBLISH of QoS 1 or 2 to its PUBACK or PUBREC. */
  readonly acknowledgementSeconds: Histogram
  lastReceivedAtMs: number | undefined
  /** Connections open now, and since the start. */
  connections: number
  connectionsTotal: number
  readonly connectionsBy: Readonly<Record<Transport, { open: number; total: number }>>
  /** Connections that were not let in before they spoke MQTT, by reason. */
  readonly connectionsRefused: Map<string, number>
  /** By reason. */
  readonly loginsRefused: Map<string, number>
  publishesDenied: number
  /** Connections that ended for what their clients sent, by the clause of MQTT 3.1.1 that forbids it. */
  readonly protocolErrors: Map<string, number>
  /** Messages of QoS 1 and 2 that found the queue of their subscriber full. */
  queueDropped: number
  /** Messages of QoS 0 whose subscriber did not read as fast as they came. */
  slowDropped: number
  /** Connections that were ended for what their clients did not take, by cause. */
  readonly cutOff: Map<string, number>
  /** Retained messages delivered and not kept, for want of room. */
  retainedRefused: number
  /** Sessions that ended because their clients stayed away. */
  sessionsExpired: number
  /** What clients have sent, and what they were sent. */
  readonly trafficIn: Traffic
  readonly trafficOut: Traffic
  /** Devices with a connection of their own now. */
  devicesConnected: number
  /** How often a device went offline, by cause. */
  readonly wentOffline: Map<string, number>
}

/** From what SQLite takes on a fast disk to what a device waits for its acknowledgement. */
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/** A tally of nothing yet. */
export function createTally(): Tally {
  return {
    received: 0,
    stored: 0,
    spooled: 0,
    replayed: 0,
    replayRefused: 0,
    spoolMessages: 0,
    spoolBytes: 0,
    spoolOldestMs: undefined,
    storeFailsSinceMs: undefined,
    stuckSinceMs: undefined,
    rejected: new Map(),
    dropped: 0,
    readings: 0,
    batches: 0,
    batchSizes: createHistogram([1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]),
    batchSeconds: createHistogram(SECONDS),
    acknowledgementSeconds: createHistogram(SECONDS),
    lastReceivedAtMs: undefined,
    connections: 0,
    connectionsTotal: 0,
    connectionsBy: {
      tcp: { open: 0, total: 0 },
      tls: { open: 0, total: 0 },
      ws: { open: 0, total: 0 },
      wss: { open: 0, total: 0 },
    },
    connectionsRefused: new Map(),
    loginsRefused: new Map(),
    publishesDenied: 0,
    protocolErrors: new Map(),
    queueDropped: 0,
    slowDropped: 0,
    cutOff: new Map(),
    retainedRefused: 0,
    sessionsExpired: 0,
    trafficIn: createTraffic(),
    trafficOut: createTraffic(),
    devicesConnected: 0,
    wentOffline: new Map(),
  }
}

/** Messages on device topics that have not ended yet: they wait in memory, unacknowledged. */
export function countWaiting({ received, stored, spooled, dropped, rejected }: Tally): number {
  return received - stored - spooled - dropped - sumOf(rejected)
}

/** How often there was any reason. */
export function sumOf(reasons: ReadonlyMap<string, number>): number {
  let sum = 0
  for (const count of reasons.values()) sum += count
  return sum
}

/** Adds one to the count of a reason. */
export function countReason(reasons: Map<string, number>, reason: string): void {
  reasons.set(reason, (reasons.get(reason) ?? 0) + 1)
}
