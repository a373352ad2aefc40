import { type Access, noAccess } from '../auth/access.js'
import { isTopicFilter } from '../mqtt/topic.js'
import { NO_FILTER } from '../sessions/session-present.js'
import type { Sessions } from '../sessions/sessions.js'
import {
  type AedesOptions,
  type Client,
  hasTooManyLevels,
  type Publication,
  PublishingAedes,
} from './aedes-broker.js'
import type { Connection } from './connection.js'
import { toInbound } from './inbound-publish.js'
import { type Login, LoginCode, refusal } from './login.js'
import type { Publishing } from './publishing.js'

/** A CONNECT is one packet and comes first; whoever takes longer is no client. */
export const CONNECT_TIMEOUT_MS = 10_000

/** Publishes that a client may send after its CONNECT without waiting for the answer: one read's worth. */
const QUEUE_BEFORE_CONNACK = 10_000

/**
 * Messages of QoS 2 that a client may have sent and not released: with its default of 1,000 Aedes disconnects
 * clients that have no window of their own, as mqtt.js, and the standard has no other bound (MQTT 3.1.1, 2.3.1).
 */
const PACKET_IDENTIFIERS = 65_535

/** What Aedes is made with. */
export interface AedesParts {
  readonly sessions: Sessions
  readonly maxKeepAliveSeconds: number
}

/** What decides for it. */
export interface Deciders {
  /** `undefined` for the will of a client that is not connected here. */
  readonly connectionOf: (client: Client | null) => Connection | undefined
  readonly login: Login
  readonly publishing: Publishing
}

/** An Aedes that keeps sessions, subscriptions and retained messages, and is told what it may do. */
export function createAedes(
  { sessions, maxKeepAliveSeconds }: AedesParts,
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
    maxInflightInbound: PACKET_IDENTIFIERS,
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
        else if (!connection.ending.hasEnded) {
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
      if (connection.pending.publishes > 0) connection.inlet.readAhead()
    },
    authorizeSubscribe(client, subscription, done) {
      const { topic } = subscription
      if (topic !== NO_FILTER && !isTopicFilter(topic)) {
        done(new Error('malformed topic filter')) // [MQTT-4.7.1-2], [MQTT-4.7.1-3]
        return
      }
      const isGranted = topic !== NO_FILTER && accessOf(client).mayReceiveSomeOf(topic)
      if (isGranted) connectionOf(client)?.subscriptions.set(topic, subscription.qos)
      done(null, isGranted ? subscription : null)
    },
  }
  const aedes = new PublishingAedes(aedesOptions, own)
  return aedes
}
