import { Aedes, type AedesOptions, type Client, type PublishPacket } from 'aedes'
import type { Kept, OutboxMessage } from '../sessions/disk/outbox.js'
import type { OwnSessions } from '../sessions/sessions.js'
import { deliveryOf } from './delivery-question.js'
import { type EmissionOrder, orderEmissions } from './emission-order.js'
import { createEmitter, type Emitter, type Listener } from './emitter.js'

export type { AedesOptions, AuthenticateError, Client, PublishPacket } from 'aedes'

/** The way of one message to those who are to have it. */
export interface Publication {
  /** Stores what it leaves behind, before it is acknowledged; `undefined`: it leaves nothing. */
  store(): Promise<void> | undefined
  /** Delivers it, and lets it be acknowledged. */
  deliver(): void
  /** Gives it up, after `store` failed. */
  abandon(): void
  /** Whether `store` may be called again after it has failed. */
  readonly isRepeatable: boolean
}

/** How a message of the server's own is published. */
export interface PublishOptions {
  readonly qos: 0 | 1 | 2
  readonly retain?: boolean
}

/** Calls back when a message has left for all who have it. */
type Ending = (done: () => void) => void

const atOnce: Ending = (done) => void setImmediate(done)

/** With more levels `qlobber`, in which Aedes looks topics up, throws. */
const MAX_TOPIC_LEVELS = 100

/** Whether Aedes can look a topic up. It asks that itself of a PUBLISH, and not of a will. */
export function hasTooManyLevels(topic: string): boolean {
  let levels = 1
  for (let at = topic.indexOf('/'); at !== -1; at = topic.indexOf('/', at + 1)) levels += 1
  return levels > MAX_TOPIC_LEVELS
}

/**
 * Aedes, which acknowledges a QoS 1 message before it publishes it. Here a message is published first, by
 * `begin`, and what Aedes publishes afterwards, it forgets.
 *
 * A message gets its number in the turn in which it is delivered: Aedes takes one with a lower number than the
 * last for one that a client has had already.
 */
export class PublishingAedes extends Aedes {
  declare readonly mq: Pick<Emitter, 'emit'>
  declare counter: number
  readonly #own: OwnSessions | undefined
  readonly #order: EmissionOrder | undefined
  readonly #emitter: Emitter | undefined
  readonly #endings = new WeakMap<PublishPacket, Ending>()

  constructor(options: AedesOptions, own: OwnSessions | undefined) {
    const emitter = own === undefined ? undefined : createEmitter()
    super(emitter === undefined ? options : { ...options, mq: emitter })
    this.#own = own
    this.#emitter = emitter
    if (own === undefined) this.#order = orderEmissions(this)
  }

  /** Aedes calls this for each subscription of a client. */
  override subscribe(filter: string, listener: Listener, done: () => void): void {
    if (this.#emitter === undefined) Reflect.apply(super.subscribe, this, [filter, listener, done])
    else this.#emitter.on(filter, listener, done, deliveryOf(listener))
  }

  /** Lets a publish be acknowledged and then forgotten, as Mosquitto does with one that is denied. */
  drop(packet: PublishPacket): void {
    this.#endings.set(packet, atOnce)
  }

  /** Publishes what a client wants published, or, without one, what the server does. */
  begin(packet: PublishPacket, client: Client | null): Publication {
    if (this.#own === undefined) return this.#beginShared(packet, client, () => this.drop(packet))
    const { qos, messageId } = packet
    const isReceived = qos === 2 && client?.clean === false && messageId !== undefined
    const from = isReceived ? { clientId: client.id, packetIdentifier: messageId } : undefined
    const message = toMessage(packet)
    const kept = this.#own.outbox(message, from)
    return {
      store: kept.store,
      deliver: () => void this.#endings.set(packet, this.#deliver(kept, message)),
      abandon: kept.abandon,
      isRepeatable: true,
    }
  }

  /** Publishes what Aedes does not see: a message that a client wants published at QoS 0 or 1. */
  beginUnseen(message: OutboxMessage, client: Client): Publication {
    if (this.#own === undefined) return this.#beginShared(message, client, () => undefined)
    const kept = this.#own.outbox(message)
    const { store, abandon } = kept
    return { store, deliver: () => void this.#deliver(kept, message), abandon, isRepeatable: true }
  }

  /** Where the sessions are shared, Aedes stores and delivers in one, and would do both twice. */
  #beginShared(
    packet: PublishPacket | OutboxMessage,
    client: Client | null,
    deliver: () => void,
  ): Publication {
    return {
      store: () =>
        new Promise((resolve, reject) =>
          this.#publishShared(packet, client, (error) => (error == null ? resolve() : reject(error))),
        ),
      deliver,
      abandon: () => undefined,
      isRepeatable: false,
    }
  }

  /** Aedes itself calls this with the client between packet and callback. */
  override publish(packet: PublishPacket, ...rest: unknown[]): void {
    const last = rest.at(-1)
    const done = (error?: unknown): void => {
      if (typeof last === 'function') last(error)
    }
    const ending = this.#endings.get(packet)
    if (ending !== undefined) {
      ending(done)
      return
    }
    if (this.#own === undefined) {
      this.#publishShared(packet, rest.length > 1 ? rest[0] : null, done)
      return
    }
    const message = toMessage(packet)
    const kept = this.#own.outbox(message)
    const deliver = (): void => this.#deliver(kept, message)(done)
    const stored = kept.store()
    if (stored === undefined) deliver()
    else void stored.then(deliver, deliver) // nobody waits for its acknowledgement; the failure is in the log
  }

  #publishShared(
    packet: PublishPacket | OutboxMessage,
    client: unknown,
    done: (error?: unknown) => void,
  ): void {
    const brokerCounter = this.#order?.next() ?? 0
    const published = (error?: unknown): void => {
      this.#order?.giveUp(brokerCounter) // it may have failed before it was emitted
      done(error)
    }
    Reflect.apply(super.publish, this, [{ ...packet, brokerCounter }, client, published])
  }

  #deliver(kept: Kept, packet: OutboxMessage): Ending {
    this.counter += 1
    const { id: brokerId, counter: brokerCounter } = this
    kept.deliver({ brokerId, brokerCounter })
    if (this.#emitter?.hasListeners(packet.topic) === false) return atOnce
    let isDelivered = false
    let ended: (() => void) | undefined
    const { cmd, topic, payload, qos } = packet
    const message = { cmd, brokerId, brokerCounter, topic, payload, qos, retain: false, dup: false }
    this.mq.emit(message, () => {
      isDelivered = true
      ended?.()
    })
    return (done) => {
      if (isDelivered) atOnce(done)
      else ended = done
    }
  }
}

function toMessage({ topic, payload, qos, retain }: PublishPacket) {
  return { cmd: 'publish', topic, payload: payload ?? '', qos: qos ?? 0, retain: retain ?? false } as const
}
