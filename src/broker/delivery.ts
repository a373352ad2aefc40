import { noAccess } from '../auth/access.js'
import { countReason, type Tally } from '../metrics/tally.js'
import { intersectFilters } from '../mqtt/topic.js'
import type { Sessions } from '../sessions/sessions.js'
import type { Client } from './aedes-broker.js'
import { deliverInstead, watchAcknowledgements } from './aedes-delivery.js'
import { createBackPressure } from './back-pressure.js'
import type { Connection } from './connection.js'
import { createFanOut } from './fan-out.js'
import type { FaultLog } from './fault-log.js'
import { createTrafficMeter } from './metering.js'
import { Outlet } from './outlet.js'
import type { DeliveryLimits } from './outlet-parts.js'

/** What delivery needs. */
export interface DeliveryParts {
  readonly sessions: Sessions
  readonly limits: DeliveryLimits
  readonly tally: Tally
  readonly faults: FaultLog
  readonly outletOf: (client: object) => Outlet | undefined
}

/** Makes the outlet of a connection. */
export type OpenOutlet = (client: Client, connection: Omit<Connection, 'outlet'>) => Outlet

/** The topics on which Aedes speaks to itself and its other instances; no client's business. */
const AEDES_TOPIC = /^\$SYS\/(?:[0-9a-f]{8}-[0-9a-f-]{27}|sub)\//

const isOfAedes = (topic: string): boolean => topic.startsWith('$SYS/') && AEDES_TOPIC.test(topic)

/** Delivers messages to clients, each through the outlet of its connection. */
export function createDelivery({ sessions, limits, tally, faults, outletOf }: DeliveryParts): OpenOutlet {
  const fanOut = createFanOut()
  watchAcknowledgements(sessions.persistence, (client, packetIdentifier) =>
    outletOf(client)?.acknowledged(packetIdentifier),
  )
  return (client, connection) => {
    const { stream, peer, inlet } = connection
    const pressure = createBackPressure(stream, {
      stalledAfterMs: limits.stalledAfterMs,
      join: fanOut.join,
      count: createTrafficMeter(tally.trafficOut),
      hold: (isHeld) => inlet.hold(isHeld),
      drained: () => outlet.drained(),
      stalled: () => {
        countReason(tally.cutOff, 'took nothing')
        faults.fault(client.id, peer, `it took nothing for ${limits.stalledAfterMs / 1000} s`)
        stream.destroy()
      },
    })
    const outlet = new Outlet({
      limits,
      stream,
      pressure,
      backlog: (wake) => (client.clean ? undefined : sessions.backlog(client, wake)),
      mayReceive: (topic) => {
        const { access } = connection.identity ?? { access: noAccess }
        return !isOfAedes(topic) && access.mayReceive(topic).isAllowed
      },
      fanOut,
      dropped: (qos) => {
        if (qos === 0) tally.slowDropped += 1
        else tally.queueDropped += 1
        faults.dropped(client.id, peer)
      },
    })
    deliverInstead(client, (message, isQos0, passed) => {
      const { topic, qos, retain } = message
      if (retain) {
        // Aedes reads the next one when this one has left.
        outlet.deliver(message, grantedQos(connection.subscriptions, topic), () => void setImmediate(passed))
        return
      }
      const { subscriptions } = connection
      // Of the copies that come for several subscriptions the first is taken, whichever it is for.
      const isDecided = isQos0 ? qos === 0 || subscriptions.size === 1 : qos < 2
      if (isDecided) outlet.deliver(message, isQos0 ? 0 : 1)
      else outlet.deliver(message, grantedQos(subscriptions, topic))
      passed()
    })
    return outlet
  }
}

/** The highest QoS of the subscriptions that match [MQTT-3.3.5-1]. */
function grantedQos(subscriptions: ReadonlyMap<string, 0 | 1 | 2>, topic: string): 0 | 1 | 2 {
  let highest: 0 | 1 | 2 = 0
  for (const [filter, qos] of subscriptions) {
    if (qos > highest && intersectFilters(filter, topic) !== undefined) highest = qos
  }
  return highest
}
