import { deviceOf } from '../auth/identity.js'
import type { Connection } from './connection.js'

/** Who wants to know when devices come and go. */
export interface DevicePresence {
  /**
   * The device, by its `device_main.id`, has logged in on a connection; what is returned is called when that
   * has ended. A gateway's connection, on which others speak for a device, is not told of.
   */
  begin(
    deviceId: number,
    connection: {
      /** The silence after which the connection is ended, ms; 0: never. */
      readonly silenceLimitMs: number
      /** When the last of it came, epoch ms; its will counts as well. */
      lastActiveMs(): number
    },
  ): () => void
}

/** Tells of a connection on which someone has logged in, if that is a device. */
export function tellPresence(connection: Connection, presence: DevicePresence): void {
  const { identity, inlet, ending } = connection
  const device = identity === undefined ? undefined : deviceOf(identity.credential)
  if (device === undefined || ending.hasEnded) return
  const ended = presence.begin(device.id, {
    silenceLimitMs: inlet.silenceLimitMs,
    lastActiveMs: () => Math.max(inlet.lastReadAtMs, connection.lastMessageAtMs),
  })
  ending.onEnd(ended)
}
