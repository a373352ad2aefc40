import { describe, expect, it } from 'vitest'
import { findRule } from '#src/cli/mosquitto/find-rule.js'
import type { Outcome } from '#src/cli/mosquitto/ledger.js'
import { compareConfNames, parseConf } from '#src/cli/mosquitto/read-conf.js'
import { translate } from '#src/cli/mosquitto/translate.js'

/** Every option of mosquitto.conf(5), version 2.0.11, by the sections of that manual. */
const manual = [
  ...[
    'acl_file',
    'allow_anonymous',
    'allow_duplicate_messages',
    'allow_zero_length_clientid',
    'auth_opt_key',
  ],
  ...['auth_plugin', 'auth_plugin_deny_special_chars', 'auto_id_prefix', 'autosave_interval'],
  ...[
    'autosave_on_changes',
    'check_retain_source',
    'clientid_prefixes',
    'connection_messages',
    'include_dir',
  ],
  ...['log_dest', 'log_facility', 'log_timestamp', 'log_timestamp_format', 'log_type', 'max_inflight_bytes'],
  ...['max_inflight_messages', 'max_keepalive', 'max_packet_size', 'max_queued_bytes', 'max_queued_messages'],
  ...['memory_limit', 'message_size_limit', 'password_file', 'per_listener_settings', 'persistence'],
  ...['persistence_file', 'persistence_location', 'persistent_client_expiration', 'pid_file', 'psk_file'],
  ...['queue_qos0_messages', 'retain_available', 'set_tcp_nodelay', 'sys_interval', 'upgrade_outgoing_qos'],
  ...['user', 'bind_address', 'bind_interface', 'http_dir', 'listener', 'max_connections', 'max_qos'],
  ...['max_topic_alias', 'mount_point', 'port', 'protocol', 'socket_domain', 'use_username_as_clientid'],
  ...['websockets_log_level', 'websockets_headers_size', 'cafile', 'capath', 'certfile', 'ciphers'],
  ...['ciphers_tls1.3', 'crlfile', 'dhparamfile', 'keyfile', 'require_certificate', 'tls_engine'],
  ...['tls_engine_kpass_sha1', 'tls_keyform', 'tls_version', 'use_identity_as_username'],
  ...['use_subject_as_username', 'psk_hint', 'address', 'addresses', 'bridge_attempt_unsubscribe'],
  ...['bridge_bind_address', 'bridge_max_packet_size', 'bridge_outgoing_retain', 'bridge_protocol_version'],
  ...['cleansession', 'local_cleansession', 'connection', 'keepalive_interval', 'idle_timeout'],
  ...['local_clientid', 'local_password', 'local_username', 'notifications', 'notifications_local_only'],
  ...['notification_topic', 'remote_clientid', 'clientid', 'remote_password', 'password', 'remote_username'],
  ...['username', 'restart_timeout', 'round_robin', 'start_type', 'threshold', 'topic', 'try_private'],
  ...['bridge_alpn', 'bridge_cafile', 'bridge_capath', 'bridge_certfile', 'bridge_identity'],
  ...['bridge_insecure', 'bridge_keyfile', 'bridge_psk', 'bridge_require_ocsp', 'bridge_tls_version'],
]

/** A mosquitto.conf of these lines, translated. */
function translated(...lines: readonly string[]) {
  const { settings, copies, rules, ledger } = translate(parseConf('m.conf', lines.join('\n')))
  return {
    settings: Object.fromEntries(settings.entries().map(([name, { value }]) => [name, value])),
    copies: Object.fromEntries([...copies].map(([target, { value }]) => [target, value])),
    rules,
    outcomes: ledger.outcomes(),
    /** The texts of the lines that are not honoured. */
    refused: ledger.outcomes().flatMap(([{ text }, { kind }]) => (kind === 'refused' ? [text] : [])),
  }
}

describe('a mosquitto.conf', () => {
  it('has a name and a value on a line, comments in the first column, and listeners with lines below', () => {
    const lines = parseConf(
      'm.conf',
      '# comment\r\n\r\n  \nuser  root \r\n listener 1 # one\ncafile /a b/c \nport 2\ncertfile x\n\t# no comment',
    )
    expect(lines.map(({ number, name, value, section }) => [number, name, value, section?.number])).toEqual([
      [4, 'user', 'root', undefined],
      [5, 'listener', '1 # one', undefined],
      [6, 'cafile', '/a b/c', 5],
      [7, 'port', '2', undefined],
      [8, 'certfile', 'x', 5],
      [9, '#', 'no comment', 5],
    ])
  })

  it('includes files in the order of the manual', () => {
    const names = ['b.conf', 'A.conf', '01.conf', 'a.conf', 'B.conf', '00.conf', 'ab.conf']
    const expected = ['00.conf', '01.conf', 'A.conf', 'a.conf', 'ab.conf', 'B.conf', 'b.conf']
    expect(names.sort(compareConfNames)).toEqual(expected)
  })
})

describe('the options', () => {
  it.each(manual)('have %s, which is accounted for wherever it stands', (name) => {
    expect(findRule(name)).toBeDefined()
    for (const lines of [[`${name} 1`], ['listener 1883', `${name} 1`]]) {
      const outcome: Outcome | undefined = translated(...lines).outcomes.at(-1)?.[1]
      const why = outcome !== undefined && outcome.kind !== 'honoured' ? outcome.why : ''
      expect(why).not.toMatch(/no meaning|has no option/)
    }
  })

  it('have no others', () => {
    const names = ['frobnicate', 'constructor', 'toString', '#', 'listeners']
    for (const name of names) expect(findRule(name), name).toBeUndefined()
    expect(translated('frobnicate 1').refused).toEqual(['frobnicate 1'])
  })

  it.each([
    ['max_inflight_messages 10', { MAX_INFLIGHT: '10' }, true],
    ['max_inflight_messages 0', { MAX_INFLIGHT: '65535' }, false],
    ['max_inflight_messages ten', {}, false],
    ['max_queued_messages 5', { MAX_QUEUED_MESSAGES: '5' }, true],
    ['max_queued_messages 0', { MAX_QUEUED_MESSAGES: '65535' }, false],
    ['max_packet_size 2000', { MAX_PACKET_BYTES: '2000' }, true],
    ['max_packet_size 20', { MAX_PACKET_BYTES: '64' }, false],
    ['message_size_limit 1000', { MAX_PACKET_BYTES: '66544' }, true],
    ['message_size_limit 0', { MAX_PACKET_BYTES: '268435460' }, true],
    ['max_keepalive 120', { MAX_KEEPALIVE_S: '120' }, true],
    ['max_keepalive 0', { MAX_KEEPALIVE_S: '65535' }, true],
    ['persistent_client_expiration 2h', { SESSION_EXPIRY_S: '7200' }, true],
    ['persistent_client_expiration 14d', { SESSION_EXPIRY_S: '1209600' }, true],
    ['persistent_client_expiration 1w', { SESSION_EXPIRY_S: '604800' }, true],
    ['persistent_client_expiration 2m', { SESSION_EXPIRY_S: '5184000' }, true],
    ['persistent_client_expiration 1y', { SESSION_EXPIRY_S: '31536000' }, true],
    ['persistent_client_expiration 900y', { SESSION_EXPIRY_S: '4294967295' }, false],
    ['persistent_client_expiration 5', {}, false],
    ['max_connections 7', { MAX_CONNECTIONS: '7' }, true],
    ['max_connections -1', { MAX_CONNECTIONS: '1000000' }, false],
    ['log_type all', { LOG_LEVEL: 'debug' }, true],
    ['log_type warning', { LOG_LEVEL: 'warn' }, true],
    ['log_type websockets', {}, false],
    ['log_dest none', { LOG_LEVEL: 'silent' }, true],
    ['log_dest syslog', {}, false],
    ['log_dest stdout', {}, true],
    ['persistence true', {}, true],
    ['persistence 1 # yes', {}, true],
    ['persistence false', {}, false],
    ['tls_version tlsv1.2', {}, true],
    ['tls_version tlsv1.3', {}, false],
    ['allow_anonymous true', { ALLOW_ANONYMOUS: 'true' }, true],
  ])('%s: settings %j, wholly honoured: %s', (line, expected, isHonoured) => {
    const { settings, refused } = translated('listener 1883', line)
    const base = translated('listener 1883').settings
    expect(settings).toEqual({ ...base, ...expected })
    expect(refused).toEqual(isHonoured ? [] : [line])
  })

  it('take the lower of two limits, the last of two lines, and the log from the last "none" on', () => {
    const lines = ['max_packet_size 100', 'max_packet_size 90000', 'message_size_limit 1000']
    expect(translated(...lines)).toMatchObject({ settings: { MAX_PACKET_BYTES: '66544' }, refused: [] })
    const types = ['log_type all', 'log_type none', 'log_type warning', 'log_type error']
    expect(translated(...types).settings).toMatchObject({ LOG_LEVEL: 'warn' })
  })
})

describe('listeners', () => {
  it.each([
    [[], { MQTT_PORT: '1883', BIND_ADDRESS: '127.0.0.1', ALLOW_ANONYMOUS: 'true', WS_PORT: 'off' }],
    [['port 1884', 'bind_address localhost'], { MQTT_PORT: '1884', BIND_ADDRESS: '127.0.0.1' }],
    [['socket_domain ipv4', 'listener 5 ::', 'protocol websockets'], { MQTT_PORT: '1883', WS_PORT: '5' }],
    [['listener 1 ::1', 'protocol websockets'], { WS_PORT: '1', BIND_ADDRESS: '::1', MQTT_PORT: 'off' }],
    [['listener 1', 'certfile c', 'keyfile k'], { MQTTS_PORT: '1', MQTT_PORT: 'off', WSS_PORT: 'off' }],
    [['listener 1', 'protocol websockets', 'certfile c', 'keyfile k'], { WSS_PORT: '1', MQTTS_PORT: 'off' }],
    [['listener 1 # here'], { MQTT_PORT: '1', BIND_ADDRESS: '0.0.0.0', ALLOW_ANONYMOUS: 'false' }],
  ])('%j open %j', (lines, expected) => {
    expect(translated(...lines)).toMatchObject({ settings: expected, refused: [] })
  })

  it.each([
    [['listener 1884'], ['listener 1884']],
    [
      ['listener 1884 127.0.0.1', 'protocol websockets'],
      ['listener 1884 127.0.0.1', 'protocol websockets'],
    ],
    [
      ['listener 1884', 'protocol websockets', 'mount_point m'],
      ['listener 1884', 'protocol websockets', 'mount_point m'],
    ],
    [
      ['listener 1884', 'protocol websockets', 'listener_allow_anonymous true'],
      ['listener 1884', 'protocol websockets', 'listener_allow_anonymous true'],
    ],
  ])('beside that of port 1883 %j stay closed', (lines, refused) => {
    const { settings, refused: seen } = translated('listener 1883', ...lines)
    expect(settings).toMatchObject({ MQTT_PORT: '1883', MQTTS_PORT: 'off', WS_PORT: 'off', WSS_PORT: 'off' })
    expect(seen).toEqual(refused)
  })

  it.each([
    [['listener 0 /run/mosquitto.sock']],
    [['listener 99999']],
    [['listener 1884 broker.example']],
    [['listener 1884', 'protocol http_api']],
    [['listener 1884', 'psk_hint h']],
    [['listener 1884', 'certfile c']],
    [['listener 1884', 'certfile c', 'keyfile k', 'tls_keyform engine']],
    [['listener 1884', 'mount_point m']],
    [['listener 1884', 'bind_interface eth0']],
  ])('%j stay closed, since nothing comes near them', (lines) => {
    const { settings, copies, refused } = translated(...lines)
    expect(settings).toMatchObject({ MQTT_PORT: 'off', MQTTS_PORT: 'off', WS_PORT: 'off', WSS_PORT: 'off' })
    expect({ copies, refused }).toEqual({ copies: {}, refused: lines })
  })

  it('go before the page that says whether the server is well', () => {
    const { settings } = translated('listener 8080', 'protocol websockets')
    expect(settings).toMatchObject({ WS_PORT: '8080', HTTP_PORT: 'off' })
    expect(translated('listener 8081').settings).not.toHaveProperty('HTTP_PORT')
  })

  it('of this machine alone stay closed when another is for the network', () => {
    const { settings, refused } = translated(
      'listener 1883 localhost',
      'listener 9001',
      'protocol websockets',
    )
    expect(settings).toMatchObject({ MQTT_PORT: 'off', WS_PORT: '9001', BIND_ADDRESS: '0.0.0.0' })
    expect(refused).toEqual(['listener 1883 localhost'])
  })

  it('share one certificate, one way to check that of clients, and one number of connections', () => {
    const first = ['listener 1', 'certfile c', 'keyfile k', 'cafile a', 'max_connections 5']
    const second = ['listener 2', 'protocol websockets', 'certfile c2', 'keyfile k', 'max_connections 6']
    const { settings, copies, refused } = translated(...first, ...second)
    expect(settings).toMatchObject({ MQTTS_PORT: '1', WSS_PORT: '2', MAX_CONNECTIONS: '11' })
    expect(copies).toEqual({ 'server.crt': 'c', 'server.key': 'k', 'ca.crt': 'a' })
    expect(refused).toEqual(['certfile c2'])
    expect(translated(...first, ...second.slice(0, -1)).refused).toEqual(['max_connections 5', 'certfile c2'])

    const strict = translated(...first, 'require_certificate true', 'use_identity_as_username 1', ...second)
    expect(strict.settings).toMatchObject({
      TLS_REQUIRE_CLIENT_CERT: 'true',
      TLS_IDENTITY_AS_USERNAME: 'true',
      WSS_PORT: 'off',
    })
    expect(strict.refused).toEqual(second)
    expect(translated(...first, 'use_identity_as_username true').settings).toMatchObject({
      TLS_IDENTITY_AS_USERNAME: 'false',
    })
  })
})

describe('users and rules', () => {
  it('are those of the file, for all listeners', () => {
    const lines = ['listener 1', 'password_file p', 'listener 2', 'protocol websockets', 'acl_file a']
    const { settings, copies, rules, refused } = translated(...lines)
    expect(settings).toMatchObject({ MQTT_PORT: '1', WS_PORT: '2', ALLOW_ANONYMOUS: 'false' })
    expect({ copies, rules, refused }).toEqual({
      copies: { passwd: 'p', 'acl.conf': 'a' },
      rules: undefined,
      refused: [],
    })
  })

  it('are those of the first listener with per_listener_settings, and one that differs stays closed', () => {
    const strict = [
      'listener 2',
      'protocol websockets',
      'allow_anonymous false',
      'password_file p2',
      'acl_file a',
    ]
    const open = ['listener 1', 'allow_anonymous true'] as const
    const one = translated('per_listener_settings true', ...open, ...strict)
    expect(one.settings).toMatchObject({ MQTT_PORT: '1', WS_PORT: 'off', ALLOW_ANONYMOUS: 'true' })
    expect(one.copies).toEqual({})
    expect(one.refused).toEqual(strict)
    const other = translated('per_listener_settings true', ...strict, ...open)
    expect(other.settings).toMatchObject({ MQTT_PORT: 'off', WS_PORT: '2', ALLOW_ANONYMOUS: 'false' })
    expect(other.copies).toEqual({ passwd: 'p2', 'acl.conf': 'a' })
    expect(other).toMatchObject({ refused: open, rules: undefined })
    const same = translated(
      'per_listener_settings true',
      ...open,
      'listener 3 ::',
      'protocol websockets',
      open[1],
    )
    expect(same).toMatchObject({ settings: { MQTT_PORT: '1', WS_PORT: '3' }, refused: [] })
  })

  it('of no listener are listed with per_listener_settings', () => {
    const lines = ['per_listener_settings true', 'allow_anonymous true', 'listener 1']
    const { settings, outcomes } = translated(...lines)
    expect(settings).toMatchObject({ ALLOW_ANONYMOUS: 'false' })
    const why: unknown = expect.stringContaining('per_listener_settings')
    expect(outcomes[1]?.[1]).toEqual({ kind: 'refused', why })
  })

  it('are opened by rules where Mosquitto has none, but not to whom it does not let in', () => {
    const anonymous = translated('listener 1', 'allow_anonymous true').rules
    expect(anonymous).toMatch(
      /\ntopic readwrite #\ntopic read \$SYS\/#\n\n# Every user:\npattern readwrite #\npattern read \$SYS\/#\n/,
    )
    const users = translated('listener 1', 'password_file p').rules
    expect(users).toMatch(/\npattern readwrite #\npattern read \$SYS\/#\n/)
    expect(users).not.toMatch(/^topic/m)
  })

  it('are not opened where a plugin decides', () => {
    for (const name of ['auth_plugin', 'plugin', 'global_plugin']) {
      const { rules, refused } = translated('listener 1', `${name} /p.so`, 'auth_opt_db secret')
      expect(rules).toBeUndefined()
      expect(refused).toEqual([`${name} /p.so`, 'auth_opt_db secret'])
    }
  })
})
