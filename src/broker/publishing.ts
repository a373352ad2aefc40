import { noAccess } from '../auth/access.js'
import type { Logger } from '../log/logger.js'
import { createRateLimit } from '../log/rate-limit.js'
import type { Tally } from '../metrics/tally.js'
import type { Connection } from './connection.js'
import { createReceivedOnce } from './received-once.js'

/** A PUBLISH, or a will, that a client wants published. */
export interface InboundPublish {
  readonly clientId: string
  /**
   * The client's session: a clean one ends with its connection, and the next may use the same packet
   * identifiers for other messages [MQTT-3.1.2-6].
   */
  readonly session: string
  readonly topic: string
  readonly payload: Buffer
  readonly qos: 0 | 1 | 2
  /** `undefined` for QoS 0 and for a will. */
  readonly packetIdentifier: number | undefined
}

/** What becomes of a publish, told when its acknowledgement may go. */
export type Verdict = 'publish' | 'drop'

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

/** Decides on every publish: access first, then ingest, and the answer in its turn. */
export type Publishing = (
  connection: Connection,
  publish: InboundPublish,
  decided: (verdict: Verdict) => void,
) => void

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

  return (connection, publish, decided) => {
    const { inlet, turns } = connection
    const turn = turns.take()
    const end = (verdict: Verdict): void => {
      turn.end(() => decided(verdict))
      openWhenDrained(connection)
    }
    const { user, access } = connection.identity ?? { user: undefined, access: noAccess }
    const { isAllowed, rule } = access.mayPublish(publish.topic)
    if (!isAllowed) {
      logDenied(publish, user, rule)
      end('drop')
      return
    }
    const { topic, payload, qos, clientId, session, packetIdentifier } = publish
    const message = { topic, payload, qos, hold: (isHeld: boolean) => inlet.hold(isHeld) }
    const store = (settled: () => void): void => {
      if (!parts.ingest.handle(message, settled)) settled()
      connection.lastMessageAtMs = Date.now()
    }
    if (qos === 2 && packetIdentifier !== undefined) {
      receivedOnce.receive({ clientId, session, packetIdentifier }, store, () => end('publish'))
    } else store(() => end('publish'))
    if (turns.length > 0) inlet.readAhead()
    closeWhenFull(connection)
  }
}

function closeWhenFull(connection: Connection): void {
  if (connection.isFull || connection.turns.length < MAX_PENDING) return
  connection.isFull = true
  connection.inlet.hold(true)
}

function openWhenDrained(connection: Connection): void {
  if (!connection.isFull || connection.turns.length > MAX_PENDING / 2) return
  connection.isFull = false
  connection.inlet.hold(false)
}
