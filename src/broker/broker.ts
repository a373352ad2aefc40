import type { Duplex } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import type { Authenticator } from '../auth/authenticate.js'
import type { Identity } from '../auth/identity.js'
import type { Logger } from '../log/logger.js'
import { type PeerEvents, unheard } from '../metrics/peer-events.js'
import type { Tally } from '../metrics/tally.js'
import type { Sessions } from '../sessions/sessions.js'
import type { Client, PublishOptions } from './aedes-broker.js'
import { createArrivals } from './arrivals.js'
import { createClientIds } from './client-ids.js'
import { type ConnectedClient, connectedClients } from './connected-client.js'
import { type Connection, countClients, createConnection, type Peer } from './connection.js'
import { CONNECT_TIMEOUT_MS, createAedes } from './create-aedes.js'
import { createDelivery } from './delivery.js'
import { createFaultLog } from './fault-log.js'
import { createForgetting } from './forget-subscriptions.js'
import { createInlet } from './inlet.js'
import { publishLeftWills } from './left-wills.js'
import { createLogin, LOGIN_REFUSED } from './login.js'
import { createTrafficMeter } from './metering.js'
import type { DeliveryLimits } from './outlet-parts.js'
import type { DevicePresence } from './own-device.js'
import { createOwnTopics, type OwnTopics } from './own-topics.js'
import { publishOwn } from './publish-own.js'
import { createPublishing, type PublishingParts } from './publishing.js'
import { createReceiving } from './receiving.js'
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
  /** Those who are logged in, in the order in which they came. */
  clients(): Iterable<ConnectedClient>
  /** Publishes what the server itself has to say, as `publishOwn` does. */
  publish(topic: string, payload: string, options: PublishOptions): Promise<void>
  /** Where the server says something of itself. */
  readonly ownTopics: OwnTopics
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
  const onFault = (client: Client, { message }: Error): void => {
    // A refused login has had its line.
    if (message !== LOGIN_REFUSED) faults.fault(client.id, connections.get(client)?.peer, message)
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

  const receive = createReceiving({ aedes, publishing })
  const begin = (stream: Duplex, peer: Peer): void => {
    const client = aedes.handle(stream)
    const inlet = createInlet(stream, {
      maxPacketBytes: options.maxPacketBytes,
      isBusy: () => connection.pending.publishes > 0 || aedesParsing.open > 0,
      onFault: (fault) => faults.protocolError(client.id, peer, fault),
      count: createTrafficMeter(tally.trafficIn),
    })
    accepted += 1
    const connection = createConnection(accepted, stream, peer, inlet, (its) => openOutlet(client, its))
    const aedesParsing = receive(client, connection)
    connections.set(client, connection)
    open.set(stream, connection)
    connection.ending.onEnd(() => {
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
    clients: () => connectedClients(open.values()),
    publish: (topic, payload, how) => publishOwn(aedes, topic, payload, how),
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
