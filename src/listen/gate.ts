import type { Socket } from 'node:net'
import type { Logger } from '../log/logger.js'
import { createRateLimit } from '../log/rate-limit.js'
import { countReason, type Tally, type Transport } from '../metrics/tally.js'

/** Counts connections over all listeners, and turns away those beyond the bound. */
export interface Gate {
  /** `true` lets a new connection in and counts it until it closes; one turned away is destroyed. */
  admit(socket: Socket, transport: Transport): boolean
  /** Says in the log that a TLS client was not let in for its certificate: for each reason once a minute. */
  logRefusedCertificate(reason: string, address: string | undefined): void
  /** The same of a WebSocket, which is counted as well. `value` is what its peer sent, and is shortened. */
  refuseWebsocket(reason: string, value: string | undefined, address: string | undefined): void
}

const MINUTE_MS = 60_000

/** OpenSSL has fewer. */
const MAX_REASONS = 100

/** What peers send is shortened in the log. */
const MAX_LOGGED_VALUE = 256

/** A gate for at most `maxConnections` at a time. */
export function createGate(maxConnections: number, tally: Tally, log: Logger): Gate {
  const limit = createRateLimit(MINUTE_MS, 1)
  const certificateLimit = createRateLimit(MINUTE_MS, MAX_REASONS)
  const websocketLimit = createRateLimit(MINUTE_MS, MAX_REASONS)
  return {
    admit(socket, transport) {
      if (tally.connections >= maxConnections) {
        countReason(tally.connectionsRefused, 'MAX_CONNECTIONS')
        socket.destroy()
        if (limit.admit('full') !== undefined) {
          log.warn(
            { maxConnections, address: socket.remoteAddress },
            'a connection was refused: MAX_CONNECTIONS',
          )
        }
        return false
      }
      tally.connections += 1
      tally.connectionsTotal += 1
      const own = tally.connectionsBy[transport]
      own.open += 1
      own.total += 1
      socket.once('close', () => {
        tally.connections -= 1
        own.open -= 1
      })
      return true
    },
    logRefusedCertificate(reason, address) {
      countReason(tally.connectionsRefused, 'certificate')
      if (certificateLimit.admit(reason) === undefined) return
      log.warn({ reason, address }, "a TLS client's certificate was refused")
    },
    refuseWebsocket(reason, value, address) {
      countReason(tally.connectionsRefused, reason)
      if (websocketLimit.admit(reason) === undefined) return
      log.warn({ reason, value: value?.slice(0, MAX_LOGGED_VALUE), address }, 'a WebSocket was refused')
    },
  }
}
