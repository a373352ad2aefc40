/** Counts since the start of the process; each part adds to its own. */
export interface Tally {
  /** Messages on device topics. Each ends as stored, rejected or dropped. */
  received: number
  stored: number
  /** Messages not stored, by reason. */
  readonly rejected: Map<string, number>
  /** QoS 0 messages that found the queue full. */
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
    devicesConnected: 0,
    wentOffline: new Map(),
  }
}

/** Adds one to the count of a reason. */
export function countReason(reasons: Map<string, number>, reason: string): void {
  reasons.set(reason, (reasons.get(reason) ?? 0) + 1)
}
