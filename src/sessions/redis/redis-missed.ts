import { setImmediate as nextTurn } from 'node:timers/promises'
import type { AttachedClient } from '../sessions.js'
import type { Flight } from './redis-flight.js'

/** Aedes's connection, as far as it takes a message from us. */
interface Delivering extends AttachedClient {
  readonly closed: boolean
  /** The newest number of each broker; what is not newer is taken for a copy. */
  duplicates: object
  deliverQoS(packet: object, done: () => void): void
}

/**
 * Gives a connection what waits in its queue and has not reached it: published by other instances while this one
 * was cut off from Redis. Meanwhile it gets nothing live, as at its beginning.
 */
export async function deliverMissed(
  client: AttachedClient,
  flight: Flight,
  drain: () => AsyncGenerator<object>,
): Promise<void> {
  // One that has not had its queue yet finds them there.
  if (!isDelivering(client) || flight.liveSinceMs === undefined) return
  flight.liveSinceMs = undefined
  await nextTurn() // what was let through before this has its packet identifier now
  for (const number of flight.numbers.values()) flight.taken.add(number)
  try {
    for await (const packet of drain()) {
      if (client.closed) return
      if ('cmd' in packet && packet.cmd === 'publish') pass(client, flight, packet)
      await nextTurn() // Aedes identifies and writes it in the turn after this one
    }
  } finally {
    flight.liveSinceMs ??= performance.now() // also where the queue could not be read to its end
  }
}

function pass(client: Delivering, flight: Flight, packet: object): void {
  client.duplicates = Object.create(null)
  flight.passing = packet
  client.deliverQoS(packet, () => undefined)
  flight.passing = undefined
}

function isDelivering(client: AttachedClient): client is Delivering {
  return 'deliverQoS' in client && 'duplicates' in client && 'closed' in client
}
