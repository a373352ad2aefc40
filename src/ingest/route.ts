/** What a device topic carries. */
export type ReportKind = 'data' | 'status' | 'heartbeat'

/** A device topic taken apart. */
export interface Route {
  /** The device's `uuid` or `device_id`. */
  readonly deviceName: string
  readonly kind: ReportKind
}

/**
 * Takes `devices/{name}/{kind}` and `device/{name}/{kind}` apart; `undefined` for any other topic, which
 * ingest leaves alone. Either kind of name may stand in either tree.
 */
export function routeTopic(topic: string): Route | undefined {
  const first = topic.indexOf('/')
  const second = topic.indexOf('/', first + 1)
  if (first === -1 || second === -1) return undefined
  const tree = topic.slice(0, first)
  if (tree !== 'devices' && tree !== 'device') return undefined
  const kind = topic.slice(second + 1)
  if (kind !== 'data' && kind !== 'status' && kind !== 'heartbeat') return undefined
  return { deviceName: topic.slice(first + 1, second), kind }
}
