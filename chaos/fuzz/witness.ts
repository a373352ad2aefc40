import type { IPublishPacket, Packet } from 'mqtt-packet'
import { type Link, openLink } from '../support/link.js'
import { holdsWithin } from '../support/wait.js'

/** A publisher and a subscriber who behave, beside those who do not. */
export interface Witness {
  readonly sent: number
  /** Sends no more; what was lost, doubled or out of order, once everything sent has come or the time is up. */
  finish(): Promise<readonly string[]>
  stop(): void
}

const TOPIC = 'witness'
const EVERY_MS = 5
const WITHIN_MS = 60_000
const IDENTIFIERS = 65_535

/** Publishes 1, 2, 3 and so on at QoS 1, and subscribes to it at QoS 1, over two connections. */
export async function startWitness(
  port: number,
  login: { readonly username: string; readonly password: string },
): Promise<Witness> {
  const faults: string[] = []
  let sent = 0
  let acknowledged = 0
  let received = 0

  const open = (clientId: string, onPacket: (packet: Packet, send: Link['send']) => void): Promise<Link> =>
    openLink({
      ...{ port, clientId, clean: true, keepalive: 20, onPacket },
      ...{ username: login.username, password: Buffer.from(login.password) },
    })
  const subscriber = await open('witness-in', (packet, send) => {
    if (packet.cmd !== 'publish') return
    const number = Number(packet.payload.toString())
    if (number !== received + 1) faults.push(`the witness received ${number} after ${received}`)
    received = number
    if (packet.messageId !== undefined) send({ cmd: 'puback', messageId: packet.messageId })
  })
  const publisher = await open('witness-out', ({ cmd }) => {
    if (cmd === 'puback') acknowledged += 1
  })
  subscriber.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: TOPIC, qos: 1 }] })

  const timer = setInterval(() => {
    sent += 1
    const packet: IPublishPacket = {
      ...{ cmd: 'publish', topic: TOPIC, payload: `${sent}`, qos: 1, dup: false, retain: false },
      messageId: 1 + (sent % IDENTIFIERS),
    }
    publisher.send(packet)
    if (sent % 1000 === 0) subscriber.send({ cmd: 'pingreq' })
  }, EVERY_MS)

  return {
    get sent() {
      return sent
    },
    async finish() {
      clearInterval(timer)
      await holdsWithin(WITHIN_MS, () => received === sent && acknowledged === sent)
      if (received !== sent || acknowledged !== sent) {
        faults.push(`the witness sent ${sent}, received ${received}, had ${acknowledged} acknowledged`)
      }
      if (!publisher.isOpen || !subscriber.isOpen) faults.push('the witness was disconnected')
      return faults
    },
    stop() {
      clearInterval(timer)
      publisher.destroy()
      subscriber.destroy()
    },
  }
}
