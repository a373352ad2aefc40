import { noAccess } from '../auth/access.js'
import type { Logger } from '../log/logger.js'
import { createRateLimit } from '../log/rate-limit.js'
import type { Tally } from '../metrics/tally.js'
import type { Publication } from './aedes-broker.js'
import type { Connection } from './connection.js'
import { createForwarding } from './forwarding.js'
import { createReadLimit } from './read-limit.js'
import { createReceivedOnce, type InboundQos2 } from './received-once.js'

/** A PUBLISH, or a will, that a client wants published. */
export interface InboundPublish {
  readonly clientId: string
  /** Whether its session ends with its connection. */
  readonly isClean: boolean
  readonly topic: string
  readonly payload: Buffer
  readonly qos: 0 | 1 | 2
  /** `undefined` for QoS 0 and for a will. */
  readonly packetIdentifier: number | undefined
  /** How a QoS 2 message is known again. */
  readonly received: InboundQos2 | undefined
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

const MINUTE_MS = 60_000
const MAX_LOGGED_PAIRS = 10_000

/** So many topics are remembered of which ingest wants nothing, and none that is longer: a few megabytes. */
const MAX_UNROUTED = 10_000
const MAX_UNROUTED_LENGTH = 128

/** Names and topics come from peers, and are shortened in the log. */
const MAX_LOGGED_NAME = 64
const MAX_LOGGED_TOPIC = 256

/** The way of a publish from its arrival to its acknowledgement. */
export function createPublishing(parts: PublishingParts): Publishing {
  const receivedOnce = createReceivedOnce(parts.isReceived)
  const forwarding = createForwarding(parts.log)
  const readLimit = createReadLimit()
  const deniedLog = createRateLimit(MINUTE_MS, MAX_LOGGED_PAIRS)
  const unrouted = createUnrouted()

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

  /** Nothing is before it, and ingest leaves it alone: most often nothing of it is stored, and it is done at once. */
  const handleAlone: Publishing['handle'] = (connection, publish, begin, decided) => {
    connection.lastMessageAtMs = Date.now()
    const publication = begin()
    const stored = publication.store()
    if (stored === undefined) {
      publication.deliver()
      decided('delivered')
      if (publish.packetIdentifier !== undefined) parts.tally.acknowledgementSeconds.observe(0)
      return
    }
    const passage = readLimit.enter(connection)
    forwarding.forward(connection, {
      ...{ publication, stored, isAwaited: publish.packetIdentifier !== undefined },
      endsWithConnection: true,
      settled(isDone) {
        decided(isDone ? 'delivered' : 'failed')
        passage.end()
      },
    })
    passage.wait()
  }

  const handle: Publishing['handle'] = (connection, publish, begin, decided) => {
    const { inlet, turns, deliveries } = connection
    const { user, access } = connection.identity ?? { user: undefined, access: noAccess }
    const { isAllowed, rule } = access.mayPublish(publish.topic)
    if (isAllowed && isAlone(connection, publish) && unrouted.has(publish.topic)) {
      handleAlone(connection, publish, begin, decided)
      return
    }
    const turn = turns.take()
    const passage = readLimit.enter(connection)
    const arrivedMs = performance.now()
    const end = (verdict: Verdict): void => {
      decided(verdict)
      if (verdict === 'delivered' && publish.packetIdentifier !== undefined) {
        parts.tally.acknowledgementSeconds.observe((performance.now() - arrivedMs) / 1000)
      }
      passage.end()
    }
    // Also for a repeated one, which Aedes answers without publishing it.
    const drop = (): void => turn.end(() => deliveries.take().end(() => end('dropped')))
    if (!isAllowed) {
      logDenied(publish, user, rule)
      drop()
      passage.wait()
      return
    }
    const { topic, payload, qos, isClean, packetIdentifier, received } = publish
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
      if (!parts.ingest.handle(message, () => forward(settled))) {
        unrouted.add(topic)
        forward(settled)
      }
      connection.lastMessageAtMs = Date.now()
    }
    const proceed = (): void => (outcome === undefined ? drop() : end(outcome))
    if (received === undefined) store(proceed)
    else receivedOnce.receive(received, store, proceed)
    passage.wait()
  }

  return { handle, idle: forwarding.idle, stop: forwarding.stop }
}

/** Topics that ingest leaves alone. */
function createUnrouted(): Pick<Set<string>, 'has' | 'add'> {
  const topics = new Set<string>()
  return {
    has: (topic) => topics.has(topic),
    add(topic) {
      if (topics.size >= MAX_UNROUTED) topics.clear()
      return topic.length > MAX_UNROUTED_LENGTH ? topics : topics.add(topic)
    },
  }
}

/** Whether no publish of the client is before this one, nor could this be one that was there already. */
function isAlone(connection: Connection, { received }: InboundPublish): boolean {
  return received === undefined && connection.pending.publishes === 0
}
