import { createSystemTree, type SystemState } from '../metrics/system-tree.js'
import type { Tally } from '../metrics/tally.js'
import type { Sessions } from '../sessions/sessions.js'
import type { Broker } from './broker.js'

/** What the topics tell of. */
export interface SystemTopicsParts {
  readonly broker: Pick<Broker, 'ownTopics' | 'figures'>
  readonly sessions: Pick<Sessions, 'figures'>
  readonly tally: Tally
  /** Of the server, for `$SYS/broker/version`. */
  readonly version: string
  /** 0: they are not published. */
  readonly intervalSeconds: number
}

const NOTHING_KEPT = {
  away: 0,
  subscriptionsAway: 0,
  retained: { messages: 0, payloadBytes: 0 },
  queued: undefined,
}

/** Publishes `$SYS/broker/…` now and every so often, each topic when its value has changed. */
export function startSystemTopics(parts: SystemTopicsParts): { stop(): void } {
  const { broker, sessions, tally, intervalSeconds } = parts
  if (intervalSeconds === 0) return { stop: () => undefined }
  const tree = createSystemTree(tally, `damselfly version ${parts.version}`)
  let kept: Awaited<ReturnType<Sessions['figures']>> = NOTHING_KEPT
  let isAsking = false
  let updatedAtMs: number | undefined

  const publish = (): void => {
    const nowMs = performance.now()
    const seconds = updatedAtMs === undefined ? 0 : (nowMs - updatedAtMs) / 1000
    updatedAtMs = nowMs
    for (const [topic, value] of tree.values(stateOf(broker, kept), seconds)) {
      broker.ownTopics.publish(topic, value)
    }
  }
  const update = async (): Promise<void> => {
    isAsking = true
    kept = await sessions.figures().catch(() => kept)
    isAsking = false
    publish()
  }
  publish()
  // What Redis does not tell while it is away is published as it was.
  const timer = setInterval(() => (isAsking ? publish() : void update()), intervalSeconds * 1000)
  return { stop: () => clearInterval(timer) }
}

function stateOf(
  { ownTopics, figures }: SystemTopicsParts['broker'],
  { away, subscriptionsAway, retained, queued }: Awaited<ReturnType<Sessions['figures']>>,
): SystemState {
  const { clients, subscriptions } = figures()
  const { heapUsed, external } = process.memoryUsage()
  return {
    clientsConnected: clients,
    clientsAway: away,
    subscriptions: subscriptions + subscriptionsAway,
    retained: retained.messages + ownTopics.messages,
    stored: {
      messages: retained.messages + ownTopics.messages + (queued?.messages ?? 0),
      payloadBytes: retained.payloadBytes + ownTopics.payloadBytes + (queued?.payloadBytes ?? 0),
    },
    heapBytes: heapUsed + external,
    uptimeSeconds: process.uptime(),
  }
}
