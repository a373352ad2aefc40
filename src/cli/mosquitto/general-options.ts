import { always, duration, limit, needless, never, neverSecret, part, type Rules } from './rule.js'

/**
 * The most that a PUBLISH holds beside its payload: five bytes of fixed header, and the topic and the packet
 * identifier with their two bytes each (MQTT 3.1.1, sections 2.2 and 3.3).
 */
const PUBLISH_OVERHEAD_BYTES = 5 + 2 + 65_535 + 2

const PLUGIN = "Mosquitto's plugins do not run in Damselfly"
const AUTOSAVE = 'sessions and retained messages are saved as they change'
const ON_DISK = 'sessions, queued and retained messages are always on disk, in DATA_DIR or in Redis'
const LOCATION = 'DATA_DIR is the folder, and what is in mosquitto.db is not taken over'
const LIBWEBSOCKETS = 'it concerns libwebsockets, which is not used'

/** The options that hold for the whole server, in the order of mosquitto.conf(5). */
export const generalOptions: Rules = {
  acl_file: part,
  allow_anonymous: part,
  allow_duplicate_messages: always('true', 'subscriptions that overlap may deliver a message more than once'),
  allow_zero_length_clientid: always('true', 'a client without an id is given one'),
  auth_plugin: never(PLUGIN),
  auth_plugin_deny_special_chars: never(PLUGIN),
  auto_id_prefix: never('an id that is made up has a form of its own'),
  autosave_interval: needless(AUTOSAVE),
  autosave_on_changes: needless(AUTOSAVE),
  check_retain_source: always('false', 'a retained message stays when its publisher loses its access'),
  clientid_prefixes: never('client ids cannot be restricted; acl.conf has %c for them'),
  connection_messages: never('LOG_LEVEL is the only filter of the log'),
  include_dir: part,
  log_dest: part,
  log_facility: never('the log goes to standard output, not to syslog'),
  log_timestamp: always('true', 'each line of the log has its time'),
  log_timestamp_format: never('the log has its own format; see LOG_FORMAT'),
  log_type: part,
  max_inflight_bytes: always('0', 'messages in flight are limited by number: MAX_INFLIGHT'),
  max_inflight_messages: limit('MAX_INFLIGHT', { unlimited: 0 }),
  max_keepalive: limit('MAX_KEEPALIVE_S', { unlimited: 0, isHighestUnlimited: true }),
  max_packet_size: limit('MAX_PACKET_BYTES'),
  max_queued_bytes: always('0', 'queued messages are limited by number: MAX_QUEUED_MESSAGES'),
  max_queued_messages: limit('MAX_QUEUED_MESSAGES', { unlimited: 0 }),
  memory_limit: never('limit it from outside: MemoryMax in systemd, --memory in Docker'),
  message_size_limit: limit('MAX_PACKET_BYTES', {
    unlimited: 0,
    isHighestUnlimited: true,
    plus: PUBLISH_OVERHEAD_BYTES,
  }),
  password_file: part,
  per_listener_settings: part,
  persistence: always('true', ON_DISK),
  persistence_file: never(LOCATION),
  persistence_location: never(LOCATION),
  persistent_client_expiration: duration('SESSION_EXPIRY_S'),
  pid_file: never('no such file is written; systemd and Docker know the process'),
  psk_file: never('TLS with pre-shared keys is not possible'),
  queue_qos0_messages: always('false', 'messages of QoS 0 are not queued'),
  retain_available: always('true', 'retained messages are always taken'),
  set_tcp_nodelay: always('true', 'TCP_NODELAY is always set'),
  sys_interval: limit('SYS_INTERVAL_S'),
  upgrade_outgoing_qos: always('false', 'a message keeps the lower QoS of publish and subscription'),
  user: never('it runs as the user that starts it; do not start it as root'),
  websockets_log_level: needless(LIBWEBSOCKETS),
  websockets_headers_size: needless(LIBWEBSOCKETS),

  // Older and newer than that manual: Mosquitto 1.x and 2.1.
  dhparamfile: needless('keys are exchanged over elliptic curves, which need no such file'),
  enable_control_api: always('false', 'there is no $CONTROL; users are set with `damselfly passwd`'),
  global_max_clients: never(
    'clients that are away are not counted; MAX_CONNECTIONS limits those that are not',
  ),
  global_max_connections: limit('MAX_CONNECTIONS', { unlimited: -1 }),
  global_plugin: never(PLUGIN),
  packet_buffer_size: needless('buffers grow as they need to, within MAX_PACKET_BYTES'),
  plugin: never(PLUGIN),
  plugin_load: never(PLUGIN),
  plugin_use: never(PLUGIN),
  retain_expiry_interval: never('retained messages do not expire'),
  retained_persistence: always('true', ON_DISK),
  retry_interval: needless('messages are sent again when a client comes back, as MQTT has it'),
}

/** The options that a plugin gives names to: how those begin. */
export const pluginOptionPrefixes = ['auth_opt_', 'plugin_opt_'] as const

/** What becomes of these: they may hold the password of a database. */
export const pluginOption = neverSecret(PLUGIN)

/** The options that hand authentication or access to a plugin. */
export const pluginNames: ReadonlySet<string> = new Set([
  ...['auth_plugin', 'global_plugin', 'plugin', 'plugin_load', 'plugin_use'],
])
