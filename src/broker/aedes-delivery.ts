import type { AedesPersistence, AttachedClient, LiveMessage } from '../sessions/sessions.js'
import type { Client } from './aedes-broker.js'
import { answer } from './delivery-question.js'
import type { Delivery } from './emitter.js'

/** A message as Aedes delivers it to one of a client's subscriptions. */
export interface DeliveredMessage extends LiveMessage {
  /** Whether it answers a SUBSCRIBE; no other message says so [MQTT-3.3.1-9]. */
  readonly retain: boolean
  readonly brokerId?: string | null | undefined
  readonly brokerCounter?: number | undefined
  /** Those of MQTT 5, which nobody speaks here; Aedes hands them on as they are. */
  readonly properties?: unknown
}

/** Delivers a message, and says when the next may come. */
type Deliver = (message: DeliveredMessage, passed: () => void) => void

/** What this file relies on in Aedes's client, beyond its types. */
interface DeliveringClient {
  /** Aedes has them called with each message for a subscription of QoS 0, and of QoS 1 and 2. */
  deliver0: Deliver
  deliverQoS: Deliver
}

/**
 * Has messages for a client delivered by `deliver`, with whether the subscription's QoS is 0. Aedes's own way
 * writes whatever comes, counts packet identifiers up without looking which are in use, and keeps in memory
 * what a socket does not take.
 */
export function deliverInstead(
  client: Client,
  deliver: (message: DeliveredMessage, isQos0: boolean, passed: () => void) => void,
): void {
  const delivering = asDelivering(client)
  const answering = (isQos0: boolean): Deliver => {
    const direct: Delivery = (message) => deliver(message, isQos0, () => undefined)
    return (message, passed) => {
      if (!answer(message.properties, direct)) deliver(message, isQos0, passed)
    }
  }
  delivering.deliver0 = answering(true)
  delivering.deliverQoS = answering(false)
}

/** Calls `acknowledged` after `persistence` was told of a PUBACK or PUBCOMP, which Aedes does for every client. */
export function watchAcknowledgements(
  persistence: AedesPersistence,
  acknowledged: (client: AttachedClient, packetIdentifier: number) => void,
): void {
  const clear = persistence.outgoingClearMessageId.bind(persistence)
  persistence.outgoingClearMessageId = (client, packet) =>
    clear(client, packet).finally(() => acknowledged(client, packet.messageId ?? 0))
}

function asDelivering(client: object): DeliveringClient {
  if (!isDelivering(client)) throw new Error('an Aedes whose clients deliver otherwise')
  return client
}

function isDelivering(client: object): client is DeliveringClient {
  return ['deliver0', 'deliverQoS'].every((name) => typeof Reflect.get(client, name) === 'function')
}
