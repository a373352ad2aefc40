import { createTraffic, type Traffic } from './traffic.js'

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
  lastReceivedAtMs: number | undefined
  /** Connections open now, and since the start. */
  connections: number
  connectionsTotal: number
  connectionsRefused: number
  loginsFailed: number
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
    lastReceivedAtMs: undefined,
    connections: 0,
    connectionsTotal: 0,
    connectionsRefused: 0,
    loginsFailed: 0,
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
  let refused = 0
  for (const count of rejected.values()) refused += count
  return received - stored - spooled - dropped - refused
}

/** Adds one to the count of a reason. */
export function countReason(reasons: Map<string, number>, reason: string): void {
  reasons.set(reason, (reasons.get(reason) ?? 0) + 1)
}
