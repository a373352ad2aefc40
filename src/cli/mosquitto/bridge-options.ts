import { never, neverSecret, type Rules } from './rule.js'

const NO_BRIDGES = 'there are no bridges; a Mosquitto with this section alone can run beside Damselfly'

/** The options of a bridge, in the order of mosquitto.conf(5), then those of Mosquitto 1.x and 2.1. */
const names = [
  ...['address', 'addresses', 'bridge_attempt_unsubscribe', 'bridge_bind_address', 'bridge_max_packet_size'],
  ...['bridge_outgoing_retain', 'bridge_protocol_version', 'cleansession', 'local_cleansession'],
  ...['connection', 'keepalive_interval', 'idle_timeout', 'local_clientid', 'local_username'],
  ...['notifications', 'notifications_local_only', 'notification_topic', 'remote_clientid', 'clientid'],
  ...['remote_username', 'username', 'restart_timeout', 'round_robin', 'start_type', 'threshold', 'topic'],
  ...['try_private', 'bridge_alpn', 'bridge_cafile', 'bridge_capath', 'bridge_certfile', 'bridge_identity'],
  ...['bridge_insecure', 'bridge_keyfile', 'bridge_require_ocsp', 'bridge_tls_version'],
  ...['bridge_ciphers', 'bridge_ciphers_tls1.3', 'bridge_max_topic_alias', 'bridge_receive_maximum'],
  ...['bridge_reload_type', 'bridge_session_expiry_interval', 'bridge_tcp_keepalive'],
  ...['bridge_tcp_user_timeout', 'bridge_tls_use_os_certs'],
]

const secretNames = ['local_password', 'remote_password', 'password', 'bridge_psk']

/** The options of a bridge, which is a connection to another broker. */
export const bridgeOptions: Rules = Object.fromEntries([
  ...names.map((name) => [name, never(NO_BRIDGES)]),
  ...secretNames.map((name) => [name, neverSecret(NO_BRIDGES)]),
])
