import { Aedes, type AedesOptions, type Client, type PublishPacket } from 'aedes'
import type { Kept } from '../sessions/disk/outbox.js'
import type { OwnSessions } from '../sessions/sessions.js'
import { type EmissionOrder, orderEmissions } from './emission-order.js'

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

/** Aedes's emitter, as `mqemitter` has it. */
interface Emitter {
  emit(packet: object, delivered: () => void): void
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
  declare readonly mq: Emitter
  declare counter: number
  readonly #own: OwnSessions | undefined
  readonly #order: EmissionOrder | undefined
  readonly #endings = new WeakMap<PublishPacket, Ending>()

  constructor(options: AedesOptions, own: OwnSessions | undefined) {
    super(options)
    this.#own = own
    if (own === undefined) this.#order = orderEmissions(this)
  }

  /** Lets a publish be acknowledged and then forgotten, as Mosquitto does with one that is denied. */
  drop(packet: PublishPacket): void {
    this.#endings.set(packet, atOnce)
  }

  /** Publishes what a client wants published. */
  begin(packet: PublishPacket, client: Client): Publication {
    if (this.#own === undefined) return this.#beginShared(packet, client)
    const { qos, messageId } = packet
    const isReceived = qos === 2 && !client.clean && messageId !== undefined
    const from = isReceived ? { clientId: client.id, packetIdentifier: messageId } : undefined
    const kept = this.#own.outbox(toMessage(packet), from)
    return {
      store: kept.store,
      deliver: () => void this.#endings.set(packet, this.#deliver(kept, packet)),
      abandon: kept.abandon,
      isRepeatable: true,
    }
  }

  /** Where the sessions are shared, Aedes stores and delivers in one, and would do both twice. */
  #beginShared(packet: PublishPacket, client: Client): Publication {
    return {
      store: () =>
        new Promise((resolve, reject) =>
          this.#publishShared(packet, client, (error) => (error == null ? resolve() : reject(error))),
        ),
      deliver: () => this.drop(packet),
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
    const kept = this.#own.outbox(toMessage(packet))
    const deliver = (): void => this.#deliver(kept, packet)(done)
    const stored = kept.store()
    if (stored === undefined) deliver()
    else void stored.then(deliver, deliver) // nobody waits for its acknowledgement; the failure is in the log
  }

  /** Publishes a message of the server's own; resolves when it is kept for those who are to have it. */
  publishOwn(topic: string, payload: string, { qos, retain = false }: PublishOptions): Promise<void> {
    const packet = { cmd: 'publish', topic, payload: Buffer.from(payload), qos, retain, dup: false } as const
    return new Promise((resolve, reject) =>
      this.publish(packet, (error: unknown) => (error == null ? resolve() : reject(error))),
    )
  }

  #publishShared(packet: PublishPacket, client: unknown, done: (error?: unknown) => void): void {
    const brokerCounter = this.#order?.next() ?? 0
    const published = (error?: unknown): void => {
      this.#order?.giveUp(brokerCounter) // it may have failed before it was emitted
      done(error)
    }
    Reflect.apply(super.publish, this, [{ ...packet, brokerCounter }, client, published])
  }

  #deliver(kept: Kept, packet: PublishPacket): Ending {
    this.counter += 1
    const { id: brokerId, counter: brokerCounter } = this
    kept.deliver({ brokerId, brokerCounter })
    let isDelivered = false
    let ended: (() => void) | undefined
    const { topic, payload, qos, retain } = toMessage(packet)
    const message = { cmd: 'publish', brokerId, brokerCounter, topic, payload, qos, retain, dup: false }
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
