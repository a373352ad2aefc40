import { setTimeout as delay } from 'node:timers/promises'
import type { IPublishPacket, Packet } from 'mqtt-packet'
import type { Random } from '../../test/support/random.js'
import { type Link, openLink } from '../support/link.js'
import { between } from '../support/random.js'
import { type Ledger, type Message, nameOf } from './ledger.js'

/** A device that reports, and publishes other messages, and sends again what was not acknowledged. */
export interface Publisher {
  readonly name: string
  /** Goes on publishing, or only answers and sends again. */
  produce(isProducing: boolean): void
  /** Whether nothing waits for an acknowledgement. */
  readonly isIdle: boolean
  /** How many messages were acknowledged. */
  readonly acknowledged: number
  /** How many wait, for whoever asks why. */
  readonly waiting: number
  /** Publishes one reading without a time of its own now. */
  reportNow(): Message
  stop(): Promise<void>
}

/** What a publisher is made of. */
export interface PublisherOptions {
  readonly name: string
  readonly port: number
  readonly ledger: Ledger
  readonly random: Random
  /** A clean session, as the firmware in the field has it, publishes at QoS 1 alone. */
  readonly isClean: boolean
}

/** A message on its way, with its packet identifier. */
interface Pending {
  readonly message: Message
  readonly messageId: number
  /** Whether PUBREC has come: from then on PUBREL is sent, and never the message. [MQTT-4.3.3-1] */
  isReceived: boolean
}

const WINDOW = 20
const RECONNECT_AFTER_MS = 30
const LONGEST_PAUSE_MS = 30

/** Publishes until it is stopped. It keeps what it must know across connections, as MQTT asks. */
export function startPublisher(options: PublisherOptions): Publisher {
  const { name, port, ledger, random, isClean } = options
  const pending = new Map<number, Pending>()
  const stopping = new AbortController()
  const { signal } = stopping
  let link: Link | undefined
  let lastId = 0
  let acknowledged = 0
  let isProducing = false

  const nextId = (): number => {
    do lastId = (lastId % 0xffff) + 1
    while (pending.has(lastId))
    return lastId
  }

  const packetOf = ({ message, messageId }: Pending, dup: boolean): IPublishPacket => {
    message.transmissions += 1
    const { topic, payload, qos } = message
    return { cmd: 'publish', messageId, topic, payload, qos, dup, retain: false }
  }

  const publish = (message: Message): void => {
    if (link?.isOpen !== true) return
    const one: Pending = { message, messageId: nextId(), isReceived: false }
    pending.set(one.messageId, one)
    link.send(packetOf(one, false))
  }

  const draw = (): Message => {
    const qos = isClean ? 1 : random.of([1, 2] as const)
    const isReading = random.below(10) < 6
    const hasOwnTime = random.below(2) === 0
    return ledger.add((number) => {
      const time = hasOwnTime ? `,"timestamp":${Date.now()}` : ''
      const topic = isReading ? `devices/${name}/data` : `chaos/${name}`
      const what = { number, publisher: name, topic, qos, payload: `{"value":${number}${time}}` }
      return { ...what, isReading, hasOwnTime, transmissions: 0, isAcknowledged: false, deliveries: [] }
    })
  }

  /** [MQTT-4.6.0-2], [MQTT-4.6.0-3]: in the order in which the messages of that QoS were sent. */
  const settle = (messageId: number, qos: 1 | 2): Pending | undefined => {
    const one = pending.get(messageId)
    if (one === undefined || one.message.qos !== qos || one.isReceived) return one
    const first = [...pending.values()].find((other) => other.message.qos === qos && !other.isReceived)
    if (first !== undefined && first !== one) {
      ledger.faults.push(`${nameOf(one.message)} acknowledged before ${nameOf(first.message)}`)
    }
    one.message.isAcknowledged = true
    acknowledged += 1
    return one
  }

  const onPacket = (packet: Packet, send: Link['send']): void => {
    const { cmd, messageId = 0 } = packet
    if (cmd === 'puback') {
      settle(messageId, 1)
      pending.delete(messageId)
    } else if (cmd === 'pubrec') {
      const one = settle(messageId, 2)
      if (one !== undefined) one.isReceived = true
      send({ cmd: 'pubrel', messageId })
    } else if (cmd === 'pubcomp') pending.delete(messageId)
  }

  /** [MQTT-4.4.0-1], [MQTT-4.6.0-1]: what is unacknowledged goes again, in the order of before. */
  const resend = (): void => {
    const again = [...pending.values()].map(
      (one): Packet => (one.isReceived ? { cmd: 'pubrel', messageId: one.messageId } : packetOf(one, true)),
    )
    if (again.length > 0) link?.send(...again)
  }

  const connected = async (): Promise<void> => {
    const opened = await openLink({ port, clientId: name, clean: isClean, onPacket })
    link = opened
    resend()
    signal.addEventListener('abort', opened.destroy)
    await opened.closed
    signal.removeEventListener('abort', opened.destroy)
  }

  const keepConnected = async (): Promise<void> => {
    while (!signal.aborted) {
      await connected().catch(() => undefined) // the server is away; it comes back
      await delay(RECONNECT_AFTER_MS, undefined, { signal }).catch(() => undefined)
    }
  }

  const keepPublishing = async (): Promise<void> => {
    while (!signal.aborted) {
      await delay(between(random, 1, LONGEST_PAUSE_MS), undefined, { signal }).catch(() => undefined)
      if (!isProducing) continue
      for (let count = between(random, 1, 4); count > 0; count--) {
        if (pending.size < WINDOW && link?.isOpen === true) publish(draw())
      }
    }
  }

  const running = [keepConnected(), keepPublishing()]
  return {
    name,
    produce(isTo) {
      isProducing = isTo
    },
    get isIdle() {
      return pending.size === 0 && link?.isOpen === true
    },
    get acknowledged() {
      return acknowledged
    },
    get waiting() {
      return pending.size
    },
    reportNow() {
      const message = ledger.add((number) => ({
        ...{ number, publisher: name, topic: `devices/${name}/data`, qos: 1, payload: `{"value":${number}}` },
        ...{ isReading: true, hasOwnTime: false, transmissions: 0, isAcknowledged: false, deliveries: [] },
      }))
      publish(message)
      return message
    },
    async stop() {
      stopping.abort()
      await Promise.all(running)
    },
  }
}
