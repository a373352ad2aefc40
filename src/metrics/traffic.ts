/** What has gone over all MQTT connections one way since the start, without TLS and WebSocket frames. */
export interface Traffic {
  /** Packets of any type. */
  packets: number
  bytes: number
  /** PUBLISH packets by QoS. */
  readonly publishes: [number, number, number]
  /** Their payloads. */
  payloadBytes: number
  /** CONNECT packets. */
  connects: number
}

/** Traffic of nothing yet. */
export function createTraffic(): Traffic {
  return { packets: 0, bytes: 0, publishes: [0, 0, 0], payloadBytes: 0, connects: 0 }
}

/** PUBLISH packets of every QoS. */
export function countPublishes({ publishes }: Traffic): number {
  return publishes[0] + publishes[1] + publishes[2]
}
