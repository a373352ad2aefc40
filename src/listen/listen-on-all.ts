import type { Broker } from '../broker/broker.js'
import type { Settings } from '../config/options.js'
import type { ServedCertificates } from './certificates.js'
import type { Gate } from './gate.js'
import type { ListenAddress, Listener } from './listener.js'
import { listenTcp } from './tcp.js'
import { listenTls } from './tls.js'
import { listenSecureWebsocket, listenWebsocket } from './websocket.js'

/** The settings that listeners need. */
export type ListenSettings = Pick<
  Settings,
  'BIND_ADDRESS' | 'MQTT_PORT' | 'MQTTS_PORT' | 'WS_PORT' | 'WSS_PORT' | 'WS_ORIGINS' | 'MAX_PACKET_BYTES'
>

/** Binds every listener that is not off, and hands each to `bound` at once, so that a later failure closes it. */
export async function listenOnAll(
  settings: ListenSettings,
  certificates: ServedCertificates,
  gate: Gate,
  broker: Broker,
  bound: (listener: Listener) => void,
): Promise<readonly Listener[]> {
  const frames = { maxPacketBytes: settings.MAX_PACKET_BYTES, origins: settings.WS_ORIGINS }
  const ways = [
    [settings.MQTT_PORT, (at: ListenAddress) => listenTcp(at, gate, broker)],
    [settings.MQTTS_PORT, (at: ListenAddress) => listenTls(at, certificates, gate, broker)],
    [settings.WS_PORT, (at: ListenAddress) => listenWebsocket(at, frames, gate, broker)],
    [settings.WSS_PORT, (at: ListenAddress) => listenSecureWebsocket(at, certificates, frames, gate, broker)],
  ] as const
  const listeners: Listener[] = []
  for (const [port, listen] of ways) {
    if (port === 'off') continue
    const listener = await listen({ host: settings.BIND_ADDRESS, port })
    bound(listener)
    listeners.push(listener)
  }
  return listeners
}
