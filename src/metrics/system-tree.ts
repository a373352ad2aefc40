import { AVERAGED_OVER, createMovingAverages } from './moving-average.js'
import type { Tally } from './tally.js'
import { countPublishes } from './traffic.js'

/** What the counts do not tell. */
export interface SystemState {
  /** Clients that are logged in. */
  readonly clientsConnected: number
  /** Sessions whose clients are away. */
  readonly clientsAway: number
  readonly subscriptions: number
  readonly retained: number
  /** Retained messages and those in queues, each counted once, and what their payloads take. */
  readonly stored: { readonly messages: number; readonly payloadBytes: number }
  /** Memory of the process that is in use, in bytes. */
  readonly heapBytes: number
  readonly uptimeSeconds: number
}

/** Makes the values of Mosquitto's `$SYS` tree. */
export interface SystemTree {
  /** The values by their topics. `seconds`: since the last call, or 0 for the first. */
  values(state: SystemState, seconds: number): ReadonlyMap<string, string>
}

/**
 * The topics, units and habits of Mosquitto 2.0 (mosquitto(8), "Broker Status", and src/sys_tree.c), but for bridges.
 * An average whose change is below 0.01 is left as it was.
 */
export function createSystemTree(tally: Tally, version: string): SystemTree {
  const { trafficIn, trafficOut } = tally
  const counts: Readonly<Record<string, () => number>> = {
    'messages/received': () => trafficIn.packets,
    'messages/sent': () => trafficOut.packets,
    'publish/dropped': () => tally.queueDropped + tally.slowDropped,
    'publish/received': () => countPublishes(trafficIn),
    'publish/sent': () => countPublishes(trafficOut),
    'bytes/received': () => trafficIn.bytes,
    'bytes/sent': () => trafficOut.bytes,
    sockets: () => tally.connectionsTotal,
    connections: () => trafficIn.connects,
  }
  const loads = Object.entries(counts).map(([name, count]) => ({
    name,
    count,
    averages: createMovingAverages(),
  }))
  let maxClients = 0
  let maxHeapBytes = 0

  const totals = (state: SystemState): Readonly<Record<string, number>> => {
    const { clientsConnected, clientsAway, stored, heapBytes } = state
    const clients = clientsConnected + clientsAway
    maxClients = Math.max(maxClients, clients)
    maxHeapBytes = Math.max(maxHeapBytes, heapBytes)
    return {
      'clients/total': clients,
      'clients/inactive': clientsAway,
      'clients/disconnected': clientsAway,
      'clients/active': clientsConnected,
      'clients/connected': clientsConnected,
      'clients/expired': tally.sessionsExpired,
      'clients/maximum': maxClients,
      'messages/stored': stored.messages,
      'store/messages/count': stored.messages,
      'store/messages/bytes': stored.payloadBytes,
      'subscriptions/count': state.subscriptions,
      'shared_subscriptions/count': 0,
      'retained messages/count': state.retained,
      'heap/current': heapBytes,
      'heap/maximum': maxHeapBytes,
      'messages/received': trafficIn.packets,
      'messages/sent': trafficOut.packets,
      'publish/messages/dropped': tally.queueDropped + tally.slowDropped,
      'publish/messages/received': countPublishes(trafficIn),
      'publish/messages/sent': countPublishes(trafficOut),
      'publish/bytes/received': trafficIn.payloadBytes,
      'publish/bytes/sent': trafficOut.payloadBytes,
      'bytes/received': trafficIn.bytes,
      'bytes/sent': trafficOut.bytes,
    }
  }

  return {
    values(state, seconds) {
      const values = new Map([
        ['$SYS/broker/version', version],
        ['$SYS/broker/uptime', `${Math.floor(state.uptimeSeconds)} seconds`],
      ])
      for (const [name, total] of Object.entries(totals(state))) values.set(`$SYS/broker/${name}`, `${total}`)
      for (const { name, count, averages } of loads) {
        const now = seconds === 0 ? ([0, 0, 0] as const) : averages.update(count(), seconds)
        for (const [index, over] of AVERAGED_OVER.entries()) {
          values.set(`$SYS/broker/load/${name}/${over.name}`, (now[index] ?? 0).toFixed(2))
        }
      }
      return values
    },
  }
}
