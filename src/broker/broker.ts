import type { Duplex } from 'node:stream'
import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises'
import { Aedes, type AuthenticateError, type Client, type PublishPacket } from 'aedes'
import { noAccess } from '../auth/access.js'
import type { Authenticator } from '../auth/authenticate.js'
import type { Logger } from '../log/logger.js'
import { createRateLimit } from '../log/rate-limit.js'
import type { Tally } from '../metrics/tally.js'
import { isTopicFilter } from '../mqtt/topic.js'
import type { Connection, Peer } from './connection.js'
import { createInlet } from './inlet.js'
import { createPublishing, type InboundPublish, type PublishingParts } from './publishing.js'
import type { Sessions } from './sessions.js'
import { createTurns } from './turns.js'

/** The MQTT broker. */
export interface Broker {
  /** Takes over a connection whose bytes are MQTT. */
  accept(stream: Duplex, peer: Peer): void
  /** Reads no more, lets what was received end, and disconnects every client; gives up after `withinMs`. */
  stop(withinMs: number): Promise<void>
}

/** The parts and settings of a broker. */
export interface BrokerOptions {
  readonly authenticator: Authenticator
  readonly ingest: PublishingParts['ingest'] & { idle(): Promise<void> }
  readonly sessions: Sessions
  readonly tally: Tally
  readonly log: Logger
  readonly maxPacketBytes: number
  readonly maxKeepAliveSeconds: number
}

/** A CONNECT is one packet and comes first; whoever takes longer is no client. */
const CONNECT_TIMEOUT_MS = 10_000

/** A subscriber whose socket takes nothing for so long is gone; until then its messages wait in memory. */
const DRAIN_TIMEOUT_MS = 20_000

/** Publishes that a client may send after its CONNECT without waiting for the answer: one read's worth. */
const QUEUE_BEFORE_CONNACK = 10_000

const MINUTE_MS = 60_000
const MAX_LOGGED_FAULTS = 10_000

/** MQTT 3.1.1, table 3.1. */
const SERVER_UNAVAILABLE = 3
const NOT_AUTHORIZED = 5

const LOGIN_REFUSED = 'the login was refused'

/** The topics on which Aedes speaks to itself and its other instances; no client's business. */
const AEDES_TOPIC = /^\$SYS\/[0-9a-f]{8}-[0-9a-f-]{27}\//

/** Aedes with an acknowledgement for publishes that go nowhere. */
class DroppingAedes extends Aedes {
  readonly #dropped = new WeakSet<PublishPacket>()

  /** Lets a publish be acknowledged and then forgotten, as Mosquitto does with one that is denied. */
  drop(packet: PublishPacket): void {
    this.#dropped.add(packet)
  }

  /** Aedes itself calls this with the client between packet and callback. */
  override publish(packet: PublishPacket, ...rest: unknown[]): void {
    const done = rest.at(-1)
    if (!this.#dropped.has(packet)) Reflect.apply(super.publish, this, [packet, ...rest])
    else if (typeof done === 'function') setImmediate(() => done())
  }
}

/** Starts a broker. Aedes keeps sessions, subscriptions and retained messages; what it may do is decided here. */
export async function startBroker(options: BrokerOptions): Promise<Broker> {
  const { log } = options
  const connections = new WeakMap<Client, Connection>()
  const open = new Map<Duplex, Connection>()
  const faultLog = createRateLimit(MINUTE_MS, MAX_LOGGED_FAULTS)
  const publishing = createPublishing({
    ingest: options.ingest,
    isReceived: options.sessions.isReceived,
    tally: options.tally,
    log,
  })

  const authenticate = async (
    client: Client,
    user: string | undefined,
    password: Buffer | undefined,
  ): Promise<AuthenticateError | undefined> => {
    const connection = connections.get(client)
    try {
      const identity = await options.authenticator.authenticate(user, password)
      if (identity !== undefined && connection !== undefined) {
        connection.identity = identity
        return undefined
      }
    } catch (error) {
      logFault(client, `cannot decide on a login: ${String(error)}`)
      return refusal(SERVER_UNAVAILABLE)
    }
    options.tally.loginsFailed += 1
    if (faultLog.admit(`login ${connection?.peer.address} ${user}`) !== undefined) {
      log.warn({ client: client.id, user, address: connection?.peer.address }, 'a login was refused')
    }
    return refusal(NOT_AUTHORIZED)
  }

  const logFault = (client: Client, fault: string): void => {
    const peer = connections.get(client)?.peer
    if (faultLog.admit(`${peer?.address} ${client.id} ${fault}`) === undefined) return
    log.info({ client: client.id, ...peer, fault }, 'a connection ended with a fault')
  }

  const accessOf = (client: Client) => connections.get(client)?.identity?.access ?? noAccess

  const aedes = new DroppingAedes({
    concurrency: 0, // its default of 100 lets one slow subscriber hold up all, and end the process
    persistence: options.sessions.persistence,
    mq: options.sessions.emitter,
    connectTimeout: CONNECT_TIMEOUT_MS,
    drainTimeout: DRAIN_TIMEOUT_MS,
    queueLimit: QUEUE_BEFORE_CONNACK,
    maxClientsIdLength: 65_535, // MQTT 3.1 says 23, but a device's id is its uuid of 36
    preConnect(client, packet, done) {
      const seconds = packet.keepalive ?? 0
      const isTooLong =
        options.maxKeepAliveSeconds < 65_535 && (seconds === 0 || seconds > options.maxKeepAliveSeconds)
      if (isTooLong) {
        done(new Error(`a keep alive of ${seconds} s`), false)
        return
      }
      connections.get(client)?.inlet.setSilenceLimit(seconds * 1500) // [MQTT-3.1.2-24]
      packet.keepalive = 0 // the inlet knows better than Aedes when a client was not listened to
      done(null, true)
    },
    authenticate(client, user, password, done) {
      void authenticate(client, user, password).then((error) => done(error ?? null, error === undefined))
    },
    authorizePublish(client, packet, done) {
      const connection = client === null ? undefined : connections.get(client)
      if (client === null || connection === undefined) {
        done(new Error('a will whose client is not known here'))
        return
      }
      publishing(connection, toInbound(client, packet), (verdict) => {
        if (verdict === 'drop') aedes.drop(packet)
        done(null)
      })
    },
    authorizeSubscribe(client, subscription, done) {
      const { topic } = subscription
      if (!isTopicFilter(topic))
        done(new Error('malformed topic filter')) // [MQTT-4.7.1-2], [MQTT-4.7.1-3]
      else done(null, accessOf(client).mayReceiveSomeOf(topic) ? subscription : null)
    },
    authorizeForward: (client, packet) =>
      accessOf(client).mayReceive(packet.topic) && !AEDES_TOPIC.test(packet.topic) ? packet : null,
  })
  const onFault = (client: Client, { message }: Error): void => {
    if (message !== LOGIN_REFUSED) logFault(client, message) // a refused login has had its line
  }
  aedes.on('clientError', onFault)
  aedes.on('connectionError', onFault)
  aedes.addListener('error', (error: unknown) => log.error({ error: String(error) }, 'the broker failed'))
  await aedes.listen()

  return {
    accept(stream, peer) {
      const client = aedes.handle(stream)
      const inlet = createInlet(stream, {
        maxPacketBytes: options.maxPacketBytes,
        onFault: (fault) => logFault(client, fault),
      })
      const connection: Connection = { peer, inlet, turns: createTurns(), identity: undefined, isFull: false }
      connections.set(client, connection)
      open.set(stream, connection)
      stream.once('close', () => open.delete(stream))
    },
    async stop(withinMs) {
      for (const connection of open.values()) connection.inlet.hold(true)
      await Promise.race([settle(options.ingest, open), delay(withinMs, undefined, { ref: false })])
      await new Promise<void>((resolve) => aedes.close(resolve))
    },
  }
}

/** Waits until every publish has had its answer, and every answer has left for the kernel. */
async function settle(
  ingest: { idle(): Promise<void> },
  open: ReadonlyMap<Duplex, Connection>,
): Promise<void> {
  await nextTurn()
  await ingest.idle()
  await nextTurn()
  await Promise.all(
    [...open.keys()].map((stream) => new Promise((resolve) => stream.once('close', resolve).end(resolve))),
  )
}

function toInbound(client: Client, packet: PublishPacket): InboundPublish {
  const { topic, payload, qos, messageId } = packet
  return {
    clientId: client.id,
    topic,
    payload: typeof payload === 'string' ? Buffer.from(payload) : payload,
    qos,
    packetIdentifier: messageId,
  }
}

function refusal(returnCode: number): AuthenticateError {
  return Object.assign(new Error(LOGIN_REFUSED), { returnCode })
}
