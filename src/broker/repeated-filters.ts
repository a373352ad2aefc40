import { encodeSuback } from '../mqtt/encode-packet.js'
import type { Client } from './aedes-broker.js'
import type { AedesPacket } from './aedes-parsing.js'

/** A SUBSCRIBE. */
interface Subscribe {
  readonly messageId: number
  readonly subscriptions: readonly Subscription[]
}

interface Subscription {
  readonly topic: string
  readonly qos: 0 | 1 | 2
}

/** What a SUBACK has for a filter that is not granted. (MQTT 3.1.1, 3.9.3) */
const REFUSED = 0x80

/** Whether this is a SUBSCRIBE in which a filter stands more than once. Aedes would take the last, and answer one. */
export function hasRepeatedFilter(packet: AedesPacket): packet is AedesPacket & Subscribe {
  const { cmd, messageId, subscriptions } = packet
  if (cmd !== 'subscribe' || messageId === undefined || subscriptions === undefined) return false
  return (
    subscriptions.length > 1 && new Set(subscriptions.map(({ topic }) => topic)).size < subscriptions.length
  )
}

/**
 * Handles a SUBSCRIBE as a sequence of them, none of which repeats a filter, with one SUBACK for all
 * [MQTT-3.8.4-4]: first each filter as it is in the end, then the others, for their retained messages. `granted` has
 * the filters that were granted, when they are. Rejects with what Aedes would end the connection for.
 */
export async function subscribeInTurn(
  client: Client,
  { messageId, subscriptions }: Subscribe,
  granted: ReadonlyMap<string, unknown>,
  answer: (suback: Buffer) => void,
): Promise<void> {
  const [last = [], ...repeats] = roundsOf(subscriptions)
  await subscribe(client, last, () => {
    const codes = subscriptions.map(({ topic, qos }) => (granted.has(topic) ? qos : REFUSED))
    answer(encodeSuback(messageId, codes)) // before the retained messages, as Mosquitto does
  })
  for (const round of repeats) await subscribe(client, round, () => undefined)
}

function subscribe(client: Client, subscriptions: readonly Subscription[], done: () => void): Promise<void> {
  return new Promise((resolve, reject) =>
    client.subscribe({ subscriptions: [...subscriptions] }, (error) => {
      if (error != null) {
        reject(error)
        return
      }
      done()
      resolve()
    }),
  )
}

/** Each filter as it stands last, as often as it stands: one round after the other. */
function roundsOf(subscriptions: readonly Subscription[]): readonly (readonly Subscription[])[] {
  const last = new Map(subscriptions.map(({ topic, qos }) => [topic, qos]))
  const rounds: Subscription[][] = []
  const seen = new Map<string, number>()
  for (const { topic, qos } of subscriptions) {
    const round = seen.get(topic) ?? 0
    seen.set(topic, round + 1)
    const members = rounds[round] ?? []
    members.push({ topic, qos: last.get(topic) ?? qos }) // Aedes writes into it
    rounds[round] = members
  }
  return rounds
}
