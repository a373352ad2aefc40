import type { Broker } from '../broker/broker.js'
import type { Port } from '../config/option.js'
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

/** Binds one listener. */
type Way = (at: ListenAddress) => Promise<Listener>

/** Whether any listener speaks TLS, and certificates are needed. */
export function usesTls({ MQTTS_PORT, WSS_PORT }: Pick<ListenSettings, 'MQTTS_PORT' | 'WSS_PORT'>): boolean {
  return MQTTS_PORT !== 'off' || WSS_PORT !== 'off'
}

/** Binds every listener that is not off, and hands each to `bound` at once, so that a later failure closes it. */
export async function listenOnAll(
  settings: ListenSettings,
  certificates: ServedCertificates | undefined,
  gate: Gate,
  broker: Broker,
  bound: (listener: Listener) => void,
): Promise<readonly Listener[]> {
  const frames = { maxPacketBytes: settings.MAX_PACKET_BYTES, origins: settings.WS_ORIGINS }
  const withCertificates = (
    listen: (at: ListenAddress, served: ServedCertificates) => Promise<Listener>,
  ): Way | undefined => certificates && ((at) => listen(at, certificates))
  const ways: readonly (readonly [Port, Way | undefined])[] = [
    [settings.MQTT_PORT, (at) => listenTcp(at, gate, broker)],
    [settings.MQTTS_PORT, withCertificates((at, served) => listenTls(at, served, gate, broker))],
    [settings.WS_PORT, (at) => listenWebsocket(at, frames, gate, broker)],
    [
      settings.WSS_PORT,
      withCertificates((at, served) => listenSecureWebsocket(at, served, frames, gate, broker)),
    ],
  ]
  const listeners: Listener[] = []
  for (const [port, listen] of ways) {
    if (port === 'off' || listen === undefined) continue
    const listener = await listen({ host: settings.BIND_ADDRESS, port })
    bound(listener)
    listeners.push(listener)
  }
  return listeners
}
