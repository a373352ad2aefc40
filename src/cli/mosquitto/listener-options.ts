import { always, needless, never, neverSecret, part, type Rules } from './rule.js'

const CIPHERS = "the list of ciphers is that of Node's OpenSSL"
const MQTT_5 = 'it concerns MQTT 5, which Damselfly does not speak'

/**
 * The options of a listener, in the order of mosquitto.conf(5). Before the first `listener` they make the
 * default listener, on port 1883.
 */
export const listenerOptions: Rules = {
  bind_address: part,
  bind_interface: part,
  http_dir: never('no files are served'),
  listener: part,
  max_connections: part,
  max_topic_alias: needless(MQTT_5),
  max_qos: always('2', 'every QoS is taken'),
  mount_point: part,
  port: part,
  protocol: part,
  socket_domain: always('ipv4', 'BIND_ADDRESS says it: 0.0.0.0 for IPv4, :: for IPv6 and IPv4'),
  use_username_as_clientid: always(
    'false',
    'a client keeps the id that it gives; acl.conf should rely on %u, not on %c',
  ),

  cafile: part,
  capath: never('join the certificates of that folder into the file ca.crt of CERTS_DIR'),
  certfile: part,
  ciphers: never(CIPHERS),
  'ciphers_tls1.3': never(CIPHERS),
  crlfile: part,
  keyfile: part,
  require_certificate: part,
  tls_engine: never('keys are files, not in an OpenSSL engine'),
  tls_engine_kpass_sha1: neverSecret('keys are files, not in an OpenSSL engine'),
  tls_keyform: part,
  tls_version: always('tlsv1.2', 'TLS 1.2 and 1.3 are taken, and nothing older'),
  use_identity_as_username: part,
  use_subject_as_username: always('false', 'the whole subject cannot be the user name, only its common name'),
  psk_hint: part,

  // Older and newer than that manual: Mosquitto 1.x and 2.1.
  accept_protocol_versions: never('MQTT 3.1 and 3.1.1 are taken, and nothing else'),
  disable_client_cert_date_checks: always('false', 'a certificate that has expired is not taken'),
  enable_proxy_protocol: never('the PROXY protocol is not spoken; turn it off in the proxy'),
  listener_allow_anonymous: part,
  listener_auto_id_prefix: never('an id that is made up has a form of its own'),
  max_topic_alias_broker: needless(MQTT_5),
  maximum_qos: always('2', 'every QoS is taken'),
  proxy_protocol_v2_require_tls: needless('the PROXY protocol is not spoken'),
  websockets_origin: never('WS_ORIGINS takes the place of it, for all WebSocket listeners'),
}
