import type { Duplex } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { type Access, noAccess } from '../auth/access.js'
import type { Authenticator } from '../auth/authenticate.js'
import type { Identity } from '../auth/identity.js'
import type { Logger } from '../log/logger.js'
import { type PeerEvents, unheard } from '../metrics/peer-events.js'
import type { Tally } from '../metrics/tally.js'
import { isTopicFilter } from '../mqtt/topic.js'
import type { Sessions } from '../sessions/sessions.js'
import {
  type AedesOptions,
  type Client,
  hasTooManyLevels,
  type Publication,
  PublishingAedes,
} from './aedes-broker.js'
import { createArrivals } from './arrivals.js'
import { createClientIds } from './client-ids.js'
import { type Connection, countClients, createConnection, type Peer } from './connection.js'
import { createDelivery } from './delivery.js'
import { createFaultLog } from './fault-log.js'
import { createForgetting } from './forget-subscriptions.js'
import { toInbound } from './inbound-publish.js'
import { createInlet } from './inlet.js'
import { publishLeftWills } from './left-wills.js'
import { createLogin, isRefusal, type Login, LoginCode, refusal } from './login.js'
import { meter } from './metering.js'
import type { DeliveryLimits } from './outlet.js'
import type { DevicePresence } from './own-device.js'
import { createOwnMessages, type PublishOwn } from './own-messages.js'
import { createOwnTopics, type OwnTopics } from './own-topics.js'
import { createPublishing, type Publishing, type PublishingParts } from './publishing.js'
import { type Judge, reviewConnections } from './review.js'
import { settle } from './settle.js'

/** The MQTT broker. */
export interface Broker {
  /** Takes over a connection whose bytes are MQTT. */
  accept(stream: Duplex, peer: Peer): void
  /** Everyone who is logged in. */
  identities(): readonly Identity[]
  /** How many are logged in, and how many subscriptions they have. */
  figures(): { readonly clients: number; readonly subscriptions: number }
  /** Where the server says something of itself. */
  readonly ownTopics: OwnTopics
  /** Publishes a message of the server's own. */
  readonly publish: PublishOwn
  /** Judges everyone who is logged in again, and ends the connections of those who have lost something. */
  review(judge: Judge): Promise<void>
  /** Reads no more, lets what was received end, and disconnects every client; gives up after `withinMs`. */
  stop(withinMs: number): Promise<void>
}

/** The parts and settings of a broker. */
export interface BrokerOptions {
  readonly authenticator: Authenticator
  readonly ingest: PublishingParts['ingest'] & { idle(): Promise<void> }
  readonly sessions: Sessions
  readonly presence: DevicePresence
  readonly events?: PeerEvents
  readonly tally: Tally
  readonly log: Logger
  readonly delivery: DeliveryLimits
  readonly maxPacketBytes: number
  readonly maxKeepAliveSeconds: number
}

/** A CONNECT is one packet and comes first; whoever takes longer is no client. */
const CONNECT_TIMEOUT_MS = 10_000

/** Publishes that a client may send after its CONNECT without waiting for the answer: one read's worth. */
const QUEUE_BEFORE_CONNACK = 10_000

/** What a SUBACK has for a filter that is not granted. (MQTT 3.1.1, 3.9.3) */
const REFUSED = 0x80

/** Starts a broker. Aedes keeps sessions, subscriptions and retained messages; what it may do is decided here. */
export async function startBroker(options: BrokerOptions): Promise<Broker> {
  const { ingest, log, sessions, tally } = options
  const connections = new WeakMap<object, Connection>()
  const open = new Map<Duplex, Connection>()
  const faults = createFaultLog(log, tally)
  const connected = sessions.own ?? sessions.shared
  const publishing = createPublishing({ ingest, isReceived: sessions.isReceived, tally, log })
  const forget = createForgetting(sessions, faults)
  const openOutlet = createDelivery({
    ...{ sessions, tally, faults, limits: options.delivery },
    outletOf: (client) => connections.get(client)?.outlet,
  })
  let accepted = 0
  const aedes = createAedes(options, {
    connectionOf: (client) => (client === null ? undefined : connections.get(client)),
    login: createLogin({
      authenticator: options.authenticator,
      clientIds: createClientIds(sessions.clientIds),
      presence: options.presence,
      events: options.events ?? unheard,
      tally,
      faults,
    }),
    publishing,
  })
  const onFault = (client: Client, error: Error): void => {
    // A refused login has had its line.
    if (!isRefusal(error)) faults.fault(client.id, connections.get(client)?.peer, error.message)
  }
  aedes.on('subscribe', (subscriptions, client) => {
    // Aedes stores all of a SUBSCRIBE in the session when some of it is granted.
    const refused = subscriptions.filter(({ qos }) => Number(qos) === REFUSED).map(({ topic }) => topic)
    if (!client.clean && refused.length > 0) forget(client.id, connections.get(client)?.peer, refused)
    connections.get(client)?.outlet.open() // something may have been queued for it before it was heard of
  })
  aedes.on('unsubscribe', (filters, client) => {
    for (const filter of filters) connections.get(client)?.subscriptions.delete(filter)
  })
  aedes.on('connackSent', ({ returnCode }, client) => {
    if (returnCode === 0) connections.get(client)?.inlet.goOn() // [MQTT-3.1.4-5]
  })
  aedes.on('clientReady', (client) => connections.get(client)?.outlet.open())
  aedes.on('clientError', onFault)
  aedes.on('connectionError', onFault)
  aedes.addListener('error', (error: unknown) => log.error({ error: String(error) }, 'the broker failed'))
  await aedes.listen()
  publishLeftWills(aedes, options)

  const begin = (stream: Duplex, peer: Peer): void => {
    const client = aedes.handle(stream)
    const inlet = createInlet(stream, {
      maxPacketBytes: options.maxPacketBytes,
      onFault: (fault) => faults.protocolError(client.id, peer, fault),
    })
    meter(stream, tally)
    accepted += 1
    const connection = createConnection(accepted, stream, peer, inlet, (its) => openOutlet(client, its))
    connections.set(client, connection)
    open.set(stream, connection)
    connection.signal.addEventListener('abort', () => {
      open.delete(stream)
      connection.outlet.stop()
      connected?.detach(client)
    })
  }
  const arrivals = createArrivals(CONNECT_TIMEOUT_MS)

  return {
    accept(stream, peer) {
      arrivals.enter(
        stream,
        () => begin(stream, peer),
        () => faults.fault('', peer, 'it sent nothing'),
      )
    },
    ownTopics: createOwnTopics(aedes, sessions),
    publish: createOwnMessages(aedes),
    figures: () => countClients(open.values()),
    identities: () => [...open.values()].flatMap(({ identity }) => identity ?? []),
    review: (judge) => reviewConnections({ connections: open.values(), forget, faults }, judge),
    async stop(withinMs) {
      arrivals.stop()
      for (const connection of open.values()) connection.inlet.hold(true)
      await Promise.race([settle([ingest, publishing], open), delay(withinMs, undefined, { ref: false })])
      publishing.stop()
      await new Promise<void>((resolve) => aedes.close(resolve))
    },
  }
}

/** What decides for Aedes. */
interface Deciders {
  /** `undefined` for the will of a client that is not connected here. */
  readonly connectionOf: (client: Client | null) => Connection | undefined
  readonly login: Login
  readonly publishing: Publishing
}

function createAedes(
  { sessions, maxKeepAliveSeconds }: BrokerOptions,
  { connectionOf, login, publishing }: Deciders,
): PublishingAedes {
  const accessOf = (client: Client): Access => connectionOf(client)?.identity?.access ?? noAccess
  const { own, shared } = sessions
  const connected = own ?? shared
  const aedesOptions: AedesOptions = {
    concurrency: 0, // its default of 100 lets one slow subscriber hold up all, and end the process
    persistence: sessions.persistence,
    mq: sessions.emitter,
    connectTimeout: CONNECT_TIMEOUT_MS,
    drainTimeout: 0, // `BackPressure` knows about Aedes's answers as well
    queueLimit: QUEUE_BEFORE_CONNACK,
    maxClientsIdLength: 65_535, // MQTT 3.1 says 23, but a device's id is its uuid of 36
    preConnect(client, packet, done) {
      const seconds = packet.keepalive ?? 0
      const isTooLong = maxKeepAliveSeconds < 65_535 && (seconds === 0 || seconds > maxKeepAliveSeconds)
      if (isTooLong) {
        done(new Error(`a keep alive of ${seconds} s`), false)
        return
      }
      connectionOf(client)?.inlet.setSilenceLimit(seconds * 1500) // [MQTT-3.1.2-24]
      packet.keepalive = 0 // the inlet knows better than Aedes when a client was not listened to
      done(null, true)
    },
    authenticate(client, user, password, done) {
      const connection = connectionOf(client)
      if (connection === undefined) return // closed before Aedes asked
      void login(connection, client.id, user, password).then((code) => {
        if (code !== LoginCode.accepted) done(refusal(code), null)
        else if (!connection.signal.aborted) {
          connected?.attach(client, (topic) => accessOf(client).mayPublish(topic).isAllowed)
          done(null, true)
        }
      })
    },
    authorizePublish(client, packet, done) {
      const connection = connectionOf(client)
      if (client === null || connection === undefined) {
        done(new Error('a will whose client is not known here'))
        return
      }
      if (hasTooManyLevels(packet.topic)) {
        done(new Error('topic has too many levels'))
        return
      }
      const begin = (): Publication => aedes.begin(packet, client)
      publishing.handle(connection, toInbound(client, connection, packet), begin, (verdict) => {
        // Aedes would record it as received in whichever session has the client id by now.
        const isOrphan = packet.qos === 2 && client.closed && client.clean && packet.messageId !== undefined
        if (verdict === 'dropped') aedes.drop(packet)
        if (isOrphan) done(new Error('the session has ended'))
        else done(verdict === 'failed' ? new Error('not stored') : null)
      })
    },
    authorizeSubscribe(client, subscription, done) {
      const { topic } = subscription
      if (!isTopicFilter(topic)) {
        done(new Error('malformed topic filter')) // [MQTT-4.7.1-2], [MQTT-4.7.1-3]
        return
      }
      const isGranted = accessOf(client).mayReceiveSomeOf(topic)
      if (isGranted) connectionOf(client)?.subscriptions.set(topic, subscription.qos)
      done(null, isGranted ? subscription : null)
    },
  }
  const aedes = new PublishingAedes(aedesOptions, own)
  return aedes
}
