import type { IPublishPacket } from 'mqtt-packet'
import type { Fleet } from '../support/fleet.js'
import { topicOf } from '../support/fleet.js'
import { type Link, openLink } from '../support/link.js'
import { createReceiver } from '../support/receiver.js'

/** A client with a persistent session that counts along with some devices. */
export interface Follower {
  /** Connects, and subscribes the first time; from then on the session has to be there, and the connection to last. */
  connect(): Promise<void>
  /** Disconnects until the next `connect`. */
  leave(): Promise<void>
  /** How many messages have come, beside those that came again. */
  readonly received: number
  /** How many came again at QoS 1, which may be. */
  readonly repeated: number
  /** What has not come of all that these devices sent. */
  missing(devices: Fleet['devices']): readonly string[]
}

/** What a follower is made of. */
export interface FollowerOptions {
  readonly name: string
  readonly port: number
  readonly qos: 1 | 2
  readonly topics: readonly string[]
  readonly faults: string[]
}

const KEEP_ALIVE_SECONDS = 20

/** One that is not connected yet. */
export function createFollower({ name, port, qos, topics, faults }: FollowerOptions): Follower {
  /** The newest number of each topic. */
  const newest = new Map(topics.map((topic) => [topic, 0]))
  let hasSession = false
  let link: Link | undefined
  let leave = (): void => undefined
  let received = 0
  let repeated = 0

  /** Each number is one more than the one before: nothing is lost, and nothing out of order. [MQTT-4.6.0-6] */
  const handOn = (packet: IPublishPacket): void => {
    const number = Number(/"value":(\d+)/.exec(packet.payload.toString())?.[1])
    const before = newest.get(packet.topic)
    if (before !== undefined && number <= before) {
      repeated += 1
      if (packet.qos === 2) faults.push(`${number} of ${packet.topic} came again at QoS 2 to ${name}`)
      return
    }
    if (before === undefined || number > before + 1) {
      faults.push(`${number} of ${packet.topic} came after ${before} to ${name}`)
    }
    newest.set(packet.topic, number)
    received += 1
  }

  const receive = createReceiver(handOn)

  const subscribe = (to: Link): void => {
    const subscriptions = topics.map((topic) => ({ topic, qos }))
    to.send({ cmd: 'subscribe', messageId: 1, subscriptions })
  }

  return {
    async connect() {
      let isLeaving = false
      let subscribed = (): void => undefined
      const suback = new Promise<void>((resolve) => {
        subscribed = resolve
      })
      const opened = await openLink({
        ...{ port, clientId: name, clean: false, keepalive: KEEP_ALIVE_SECONDS },
        onPacket: (packet, answer) => (packet.cmd === 'suback' ? subscribed() : receive(packet, answer)),
      })
      link = opened
      const timer = setInterval(() => opened.send({ cmd: 'pingreq' }), (KEEP_ALIVE_SECONDS * 1000) / 2)
      leave = () => {
        isLeaving = true
      }
      void opened.closed.then(() => {
        clearInterval(timer)
        if (!isLeaving) faults.push(`${name} was disconnected`)
      })
      if (opened.connack.sessionPresent !== hasSession) faults.push(`the session of ${name}`)
      if (hasSession) return
      subscribe(opened)
      await suback
      hasSession = true
    },
    async leave() {
      leave()
      link?.send({ cmd: 'disconnect' })
      await link?.closed
    },
    get received() {
      return received
    },
    get repeated() {
      return repeated
    },
    missing(devices) {
      return devices.flatMap((device) => {
        const last = newest.get(topicOf(device))
        if (last === undefined || last === device.sent) return []
        return [`${name} has had ${last} of ${device.sent} of ${device.name}`]
      })
    },
  }
}
