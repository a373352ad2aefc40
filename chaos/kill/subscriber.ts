import { setTimeout as delay } from 'node:timers/promises'
import type { IPublishPacket } from 'mqtt-packet'
import type { Random } from '../../test/support/random.js'
import { openLink } from '../support/link.js'
import { between } from '../support/random.js'
import { createReceiver, type Receiver } from '../support/receiver.js'
import { type Ledger, type Message, nameOf } from './ledger.js'

/** A client with a persistent session, which comes and goes. */
export interface Subscriber {
  readonly name: string
  readonly qos: 1 | 2
  /** Whether the messages of such a topic are for it. */
  receives(topic: string): boolean
  /** Comes and goes, or comes and stays. */
  wander(isWandering: boolean): void
  stop(): Promise<void>
}

/** What a subscriber is made of. */
export interface SubscriberOptions {
  readonly index: number
  readonly port: number
  readonly ledger: Ledger
  readonly random: Random
  /** Topics begin with it. */
  readonly root: 'chaos' | 'devices'
  readonly qos: 1 | 2
}

const RETRY_AFTER_MS = 30
const LONGEST_STAY_MS = 1500
const LONGEST_ABSENCE_MS = 2500

/** Subscribes, and then comes and goes until it is stopped. */
export async function startSubscriber(options: SubscriberOptions): Promise<Subscriber> {
  const { index, port, ledger, random, root, qos } = options
  const name = `subscriber ${index} to ${root} at QoS ${qos}`
  const inbox = createInbox(options, name)
  const stopping = new AbortController()
  const { signal } = stopping
  let isWandering = false
  let hasSession = false

  const connected = async (): Promise<void> => {
    const subscribed = createSubscribed()
    const link = await openLink({
      port,
      clientId: name,
      clean: false,
      onPacket: (packet, send) => {
        if (packet.cmd === 'suback') subscribed.resolve()
        else inbox(packet, send)
      },
    })
    signal.addEventListener('abort', link.destroy)
    if (hasSession && !link.connack.sessionPresent) ledger.faults.push(`the session of ${name}`)
    if (!hasSession) {
      link.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: `${root}/#`, qos }] })
      await subscribed.done
      hasSession = true
      begun.resolve()
    }
    await Promise.race([link.closed, stay()])
    if (random.below(2) === 0) link.send({ cmd: 'disconnect' })
    link.destroy()
    signal.removeEventListener('abort', link.destroy)
  }

  /** Ends when it is time to go. */
  const stay = async (): Promise<void> => {
    do await pause(between(random, 1, LONGEST_STAY_MS))
    while (!isWandering && !signal.aborted)
  }

  const pause = async (timeMs: number): Promise<void> => {
    await delay(timeMs, undefined, { signal }).catch(() => undefined)
  }

  const run = async (): Promise<void> => {
    while (!signal.aborted) {
      await connected().catch(() => undefined) // the server is away; it comes back
      await pause(isWandering ? random.below(LONGEST_ABSENCE_MS) : RETRY_AFTER_MS)
    }
  }

  const begun = createSubscribed()
  const running = run()
  await begun.done
  return {
    name,
    qos,
    receives: (topic) => topic.startsWith(`${root}/`),
    wander(isTo) {
      isWandering = isTo
    },
    async stop() {
      stopping.abort()
      await running
    },
  }
}

function createSubscribed(): { readonly done: Promise<void>; readonly resolve: () => void } {
  let resolve = (): void => undefined
  const done = new Promise<void>((resolved) => {
    resolve = resolved
  })
  return { done, resolve }
}

/** Notes what comes in the ledger, and what should not have come so. */
function createInbox({ index, ledger, qos }: SubscriberOptions, name: string): Receiver {
  /** The newest message of each topic and QoS that was handed on. */
  const newest = new Map<string, Message>()

  const handOn = (packet: IPublishPacket): void => {
    const number = Number(/"value":(\d+)/.exec(packet.payload.toString())?.[1])
    const message = ledger.open.get(number)
    if (message === undefined) {
      // Checked and forgotten: at QoS 1 it may come again, when its acknowledgement was lost with the server.
      if (packet.qos === 2) ledger.faults.push(`message ${number} came again at QoS 2 to ${name}`)
      return
    }
    const times = (message.deliveries[index] ?? 0) + 1
    message.deliveries[index] = times
    if (times > 1) {
      const isOnce = message.qos === 2 && qos === 2
      if (isOnce) ledger.faults.push(`${nameOf(message)} came ${times} times to ${name}`)
      return
    }
    const line = `${message.topic} ${message.qos}`
    const before = newest.get(line)
    if (before !== undefined && before.number > message.number) {
      ledger.faults.push(`${nameOf(message)} came after ${nameOf(before)} to ${name}`) // [MQTT-4.6.0-6]
    } else newest.set(line, message)
    // [MQTT-3.8.4-6]: neither above what was granted, nor below what it could be.
    if (packet.qos !== Math.min(message.qos, qos)) {
      ledger.faults.push(`${nameOf(message)} came at QoS ${packet.qos} to ${name}`)
    }
  }

  return createReceiver(handOn)
}
