/** Bounds on what sessions may hold. */
export interface SessionLimits {
  /** Messages that wait for a client; beyond that the newest are dropped. */
  readonly maxQueued: number
  /** Messages that a client may have beside these, unacknowledged. */
  readonly maxInflight: number
  /** How long a client may be away before its session ends. */
  readonly expirySeconds: number
  readonly maxRetained: number
  /** Topics and payloads of retained messages together. */
  readonly maxRetainedBytes: number
}
