import { noAccess } from '../auth/access.js'
import type { Logger } from '../log/logger.js'
import { createRateLimit } from '../log/rate-limit.js'
import type { Tally } from '../metrics/tally.js'
import type { Publication } from './aedes-broker.js'
import type { Connection } from './connection.js'
import { createForwarding } from './forwarding.js'
import { createReceivedOnce } from './received-once.js'

/** A PUBLISH, or a will, that a client wants published. */
export interface InboundPublish {
  readonly clientId: string
  /**
   * The client's session: a clean one ends with its connection, and the next may use the same packet
   * identifiers for other messages [MQTT-3.1.2-6].
   */
  readonly session: string
  /** Whether it is a clean one. */
  readonly isClean: boolean
  readonly topic: string
  readonly payload: Buffer
  readonly qos: 0 | 1 | 2
  /** `undefined` for QoS 0 and for a will. */
  readonly packetIdentifier: number | undefined
}

/** What became of a publish: delivered or dropped, both to be acknowledged, or failed. */
export type Verdict = 'delivered' | 'dropped' | 'failed'

/** The parts that a publish passes. */
export interface PublishingParts {
  readonly ingest: {
    handle(
      message: { topic: string; payload: Buffer; qos: 0 | 1 | 2; hold: (isHeld: boolean) => void },
      settled: () => void,
    ): boolean
  }
  readonly isReceived: (clientId: string, packetIdentifier: number) => Promise<boolean>
  readonly tally: Tally
  readonly log: Logger
}

/** The way of every publish: access first, then ingest, then those who are to have it, and the answer in its turn. */
export interface Publishing {
  /** `begin` is called for one that is to be delivered. */
  handle(
    connection: Connection,
    publish: InboundPublish,
    begin: () => Publication,
    decided: (verdict: Verdict) => void,
  ): void
  /** Resolves when every publish that ingest is done with has had its answer. */
  idle(): Promise<void>
  /** What waits for its sessions to be written is not acknowledged any more. */
  stop(): void
}

/** More than any device sends before it waits for an answer; a bound on what one client keeps here. */
const MAX_PENDING = 1000
const MINUTE_MS = 60_000
const MAX_LOGGED_PAIRS = 10_000

/** Names and topics come from peers, and are shortened in the log. */
const MAX_LOGGED_NAME = 64
const MAX_LOGGED_TOPIC = 256

/** The way of a publish from its arrival to its acknowledgement. */
export function createPublishing(parts: PublishingParts): Publishing {
  const receivedOnce = createReceivedOnce(parts.isReceived)
  const forwarding = createForwarding(parts.log)
  const deniedLog = createRateLimit(MINUTE_MS, MAX_LOGGED_PAIRS)

  const logDenied = (publish: InboundPublish, user: string | undefined, rule: string): void => {
    parts.tally.publishesDenied += 1
    const client = publish.clientId.slice(0, MAX_LOGGED_NAME)
    const topic = publish.topic.slice(0, MAX_LOGGED_TOPIC)
    const missed = deniedLog.admit(`${client}\n${user}\n${topic}`)
    if (missed === undefined) return
    const since = missed > 0 ? { alsoDenied: missed } : {}
    parts.log.warn(
      { client, user: user?.slice(0, MAX_LOGGED_NAME), topic, rule, ...since },
      'a publish was denied',
    )
  }

  const handle: Publishing['handle'] = (connection, publish, begin, decided) => {
    const { inlet, turns, deliveries } = connection
    const turn = turns.take()
    const arrivedMs = performance.now()
    const end = (verdict: Verdict): void => {
      decided(verdict)
      if (verdict === 'delivered' && publish.packetIdentifier !== undefined) {
        parts.tally.acknowledgementSeconds.observe((performance.now() - arrivedMs) / 1000)
      }
      openWhenDrained(connection)
    }
    // Also for a repeated one, which Aedes answers without publishing it.
    const drop = (): void => turn.end(() => deliveries.take().end(() => end('dropped')))
    const { user, access } = connection.identity ?? { user: undefined, access: noAccess }
    const { isAllowed, rule } = access.mayPublish(publish.topic)
    if (!isAllowed) {
      logDenied(publish, user, rule)
      drop()
      return
    }
    const { topic, payload, qos, clientId, session, isClean, packetIdentifier } = publish
    const message = { topic, payload, qos, hold: (isHeld: boolean) => inlet.hold(isHeld) }
    let outcome: Verdict | undefined
    const forward = (settled: () => void): void =>
      turn.end(() =>
        forwarding.forward(connection, {
          publication: begin(),
          isAwaited: packetIdentifier !== undefined,
          endsWithConnection: qos < 2 || isClean,
          settled: (isDone) => {
            outcome = isDone ? 'delivered' : 'failed'
            settled()
          },
        }),
      )
    const store = (settled: () => void): void => {
      if (!parts.ingest.handle(message, () => forward(settled))) forward(settled)
      connection.lastMessageAtMs = Date.now()
    }
    const proceed = (): void => (outcome === undefined ? drop() : end(outcome))
    if (qos === 2 && packetIdentifier !== undefined) {
      receivedOnce.receive({ clientId, session, packetIdentifier }, store, proceed)
    } else store(proceed)
    if (pending(connection) > 0) inlet.readAhead()
    closeWhenFull(connection)
  }

  return { handle, idle: forwarding.idle, stop: forwarding.stop }
}

/** Publishes of a client that have not had their answer. */
function pending({ turns, deliveries }: Connection): number {
  return turns.length + deliveries.length
}

function closeWhenFull(connection: Connection): void {
  if (connection.isFull || pending(connection) < MAX_PENDING) return
  connection.isFull = true
  connection.inlet.hold(true)
}

function openWhenDrained(connection: Connection): void {
  if (!connection.isFull || pending(connection) > MAX_PENDING / 2) return
  connection.isFull = false
  connection.inlet.hold(false)
}
