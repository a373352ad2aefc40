import { isIP } from 'node:net'
import { alertOptions } from './alert-options.js'
import { parseDatabaseUrl } from './database-url.js'
import { choice, flag, integer, list, port, text, zoneOffset } from './option.js'

/** As a browser sends it: scheme, host and a port that is not the scheme's own, in lower case. */
const isOrigin = (word: string): boolean =>
  /^https?:/.test(word) && URL.canParse(word) && new URL(word).origin === word

/**
 * Every setting, in the order in which docs/settings.md and `.env.example` list them. Types, checks, errors and
 * both tables come from here.
 */
export const options = {
  MQTT_PORT: port(1883, {
    description: 'MQTT over TCP: a port, `0` for any free one (the log names it), or `off`',
    descriptionZh: 'MQTT（TCP）端口；`0` 为任意空闲端口（见日志），`off` 为关闭',
  }),
  MQTTS_PORT: port(8883, { description: 'MQTT over TLS', descriptionZh: 'MQTT（TLS）端口' }),
  WS_PORT: port(9001, { description: 'MQTT over WebSocket', descriptionZh: 'MQTT（WebSocket）端口' }),
  WSS_PORT: port('off', {
    description: 'MQTT over WebSocket and TLS',
    descriptionZh: 'MQTT（WebSocket + TLS）端口',
  }),
  WS_ORIGINS: list('origins such as https://example.org, with commas between them', isOrigin, {
    description:
      'Web sites whose pages may connect over WebSocket, such as `https://a.example, https://b.example`; none: all',
    descriptionZh: '可通过 WebSocket 连接的网站，如 `https://a.example, https://b.example`；留空为全部',
  }),
  HTTP_PORT: port(8080, {
    description: '`/healthz`, `/readyz`, `/metrics` and the API',
    descriptionZh: '`/healthz`、`/readyz`、`/metrics` 与 API',
  }),
  BIND_ADDRESS: text('0.0.0.0', {
    accepts: (value) => isIP(value) !== 0,
    expected: 'an IPv4 or IPv6 address, such as 0.0.0.0, 127.0.0.1 or ::',
    description: 'The address that every listener binds',
    descriptionZh: '所有监听端口绑定的地址',
  }),
  CONFIG_DIR: text('config', {
    description: 'Folder of `passwd` and `acl.conf`',
    descriptionZh: '`passwd` 与 `acl.conf` 所在目录',
  }),
  CERTS_DIR: text('certs', {
    description:
      'Folder of `ca.crt`, `server.crt` and `server.key`, made there when none exists, and of `ca.crl` if there is one',
    descriptionZh: '`ca.crt`、`server.crt`、`server.key` 所在目录，都不存在时自动生成；也可放 `ca.crl`',
  }),
  DATA_DIR: text('data', {
    description: 'Folder of the SQLite files, the spool and what the database refused',
    descriptionZh: 'SQLite 文件、暂存文件及被数据库拒绝的消息所在目录',
  }),
  DATABASE_URL: text(undefined, {
    isSecret: true,
    accepts: (value) => parseDatabaseUrl(value) !== undefined,
    expected: 'mysql://user:password@host:3306/name with special characters percent-encoded, or sqlite:path',
    defaultText: '`sqlite:$DATA_DIR/damselfly.db`',
    description:
      '`mysql://user:password@host:3306/name` or `sqlite:path`; a part with special characters is percent-encoded',
    descriptionZh: '`mysql://用户:密码@主机:3306/库名` 或 `sqlite:路径`；特殊字符用百分号编码',
  }),
  DB_HOST: text(undefined, {
    description: "Instead of `DATABASE_URL`, the platform's own variables",
    descriptionZh: '代替 `DATABASE_URL`，沿用平台自己的变量',
  }),
  DB_PORT: integer(3306, 1, 65_535, { description: 'with `DB_HOST`', descriptionZh: '与 `DB_HOST` 同用' }),
  DB_NAME: text(undefined, { description: 'with `DB_HOST`', descriptionZh: '与 `DB_HOST` 同用' }),
  DB_USER: text(undefined, { description: 'with `DB_HOST`', descriptionZh: '与 `DB_HOST` 同用' }),
  DB_PASSWORD: text(undefined, {
    isSecret: true,
    description: 'with `DB_HOST`',
    descriptionZh: '与 `DB_HOST` 同用',
  }),
  DB_TIME_ZONE: zoneOffset('+08:00', {
    description: 'The zone of the DATETIME columns, as the platform writes them',
    descriptionZh: 'DATETIME 列所用的时区，与平台一致',
  }),
  REDIS_URL: text(undefined, {
    isSecret: true,
    accepts: (value) => /^rediss?:\/\//.test(value),
    expected: 'redis://[user:password@]host:6379/0 or rediss://…',
    description:
      'Sessions, retained messages and traffic between instances in Redis; none: on disk in `DATA_DIR`',
    descriptionZh: '会话、保留消息与多实例间的流量存于 Redis；不设：存于 `DATA_DIR` 的磁盘文件',
  }),
  MQTT_USERNAME: text(undefined, {
    accepts: (value) => /^[^:\r\n]+$/.test(value),
    expected: 'a user name without a colon',
    description: "An administrator's login, made or updated at start",
    descriptionZh: '管理员用户名，启动时创建或更新',
  }),
  MQTT_PASSWORD: text(undefined, {
    isSecret: true,
    description: "That administrator's password",
    descriptionZh: '该管理员的密码',
  }),
  ALLOW_ANONYMOUS: flag(false, {
    description: 'Let clients in without a user name; `acl.conf` says what they may do',
    descriptionZh: '允许无用户名的客户端连接；其权限见 `acl.conf`',
  }),
  TLS_REQUIRE_CLIENT_CERT: flag(false, {
    description:
      'TLS clients must show a certificate that `ca.crt` signed and `ca.crl`, if any, does not revoke',
    descriptionZh: 'TLS 客户端必须出示由 `ca.crt` 签发且未被 `ca.crl`（若有）吊销的证书',
  }),
  TLS_IDENTITY_AS_USERNAME: flag(false, {
    description:
      "A TLS client's user name is the common name of its certificate, and no password is asked for",
    descriptionZh: 'TLS 客户端以其证书的通用名（CN）为用户名，不再要求密码',
  }),
  LOGIN_FAILURES: integer(10, 1, 1_000_000, {
    description:
      'Failed logins of an address, or with a user name, after which further ones of it are made to wait; and',
    descriptionZh: '同一地址或同一用户名登录失败多少次后，其后续登录需等待',
  }),
  LOGIN_REFUSE_AFTER: integer(15, 1, 1_000_000, {
    description: 'after which they are refused',
    descriptionZh: '失败多少次后直接拒绝',
  }),
  LOGIN_WINDOW_S: integer(60, 1, 86_400, {
    description: 'The seconds within which failed logins are counted together',
    descriptionZh: '失败次数的统计时间窗（秒）',
  }),
  LOGIN_DELAY_MS: integer(1000, 0, 30_000, {
    description: 'How long a login that is made to wait does so, in ms',
    descriptionZh: '需等待的登录等待多少毫秒',
  }),
  LOGIN_REFUSE_S: integer(300, 1, 86_400, {
    description:
      'For how many seconds logins are refused. One that was right before, from the same address, never is',
    descriptionZh: '拒绝持续多少秒；曾从同一地址用同样凭据成功登录者不受影响',
  }),
  UNKNOWN_DEVICES: choice(['register', 'reject'], undefined, {
    defaultText: '`register` on SQLite, `reject` on MySQL',
    defaultTextZh: 'SQLite 为 `register`，MySQL 为 `reject`',
    description: "What becomes of a device topic's message whose device the database does not know",
    descriptionZh: '数据库中没有的设备发来消息时：`register` 登记，`reject` 拒绝',
  }),
  INGEST_ACK: choice(['stored', 'received'], 'stored', {
    description:
      '`stored`: acknowledge what is in the database, or in the spool; `received`: at once, and give up the guarantee',
    descriptionZh: '`stored`：写入数据库或暂存文件后才确认；`received`：收到即确认，放弃该保证',
  }),
  INGEST_FLUSH_MS: integer(5, 0, 60_000, {
    description: 'How long, in ms, a message may wait for others to share its transaction',
    descriptionZh: '一条消息为凑成一批最多等待的毫秒数',
  }),
  INGEST_BATCH: integer(1000, 1, 10_000, {
    description: 'How many messages share a transaction at the most',
    descriptionZh: '一个事务最多包含的消息数',
  }),
  SPOOL_MAX_MB: integer(1024, 0, 1_000_000, {
    description:
      'What may wait in `DATA_DIR/spool.db` while the database is away, in MB; `0`: nothing, and nothing is acknowledged then',
    descriptionZh: '数据库不可用期间，`DATA_DIR/spool.db` 最多暂存多少 MB；`0` 为不暂存，期间不确认任何消息',
  }),
  HISTORY: flag(true, {
    defaultText: 'on',
    description: 'Keep every reading: `on` or `off`',
    descriptionZh: '是否保存每一条读数：`on` 或 `off`',
  }),
  HISTORY_DAYS: integer(30, 1, 36_500, {
    description: 'and for how many days',
    descriptionZh: '读数保存天数',
  }),
  OFFLINE_AFTER_S: integer(300, 1, 86_400, {
    description:
      'Seconds of silence after which a device counts as offline, unless it has a connection of its own',
    descriptionZh: '设备静默多少秒后视为离线；自身仍保持连接的设备除外',
  }),
  MAX_CONNECTIONS: integer(10_000, 1, 1_000_000, {
    description: 'Connections on all listeners together; further ones are closed at once',
    descriptionZh: '所有监听端口的连接总数上限，超出即断开',
  }),
  MAX_PACKET_BYTES: integer(1_048_576, 64, 268_435_460, {
    description: 'The largest MQTT packet taken; a larger one ends its connection before it is read',
    descriptionZh: '可接收的最大 MQTT 报文字节数；超过者在读入之前断开',
  }),
  MAX_QUEUED_MESSAGES: integer(1000, 0, 65_535, {
    description:
      'QoS 1 and 2 messages that wait for a client that is away or behind; beyond that the newest are dropped',
    descriptionZh: '为离线或跟不上的客户端排队的 QoS 1、2 消息数，超出时丢弃最新的',
  }),
  MAX_INFLIGHT: integer(20, 1, 65_535, {
    description: 'QoS 1 and 2 messages that one client may have unacknowledged; further ones wait',
    descriptionZh: '一个客户端可有多少条未确认的 QoS 1、2 消息，其余排队等待',
  }),
  MAX_BUFFERED_BYTES: integer(8_388_608, 65_536, 1_073_741_824, {
    description:
      'What may wait in memory for a client that reads too slowly; beyond that the newest messages are dropped',
    descriptionZh: '为读取过慢的客户端在内存中最多缓存多少字节，超出时丢弃最新的消息',
  }),
  SESSION_EXPIRY_S: integer(604_800, 0, 4_294_967_295, {
    description: 'Seconds after which the session of a client that is away ends',
    descriptionZh: '客户端离线多少秒后其会话失效',
  }),
  MAX_RETAINED_MESSAGES: integer(100_000, 0, 10_000_000, {
    description: 'Retained messages; beyond that one on a new topic is delivered and not kept',
    descriptionZh: '保留消息数上限；超出时，新主题的保留消息只投递、不保存',
  }),
  MAX_RETAINED_MB: integer(64, 0, 65_536, {
    description: 'and how many MiB their topics and payloads may take',
    descriptionZh: '保留消息的主题与内容总共最多占用多少 MiB',
  }),
  MAX_KEEPALIVE_S: integer(65_535, 1, 65_535, {
    description: 'The longest keep alive taken; a longer or absent one is refused when this is below 65535',
    descriptionZh: '允许的最长 keep alive；设为小于 65535 时，更长或未设者被拒绝',
  }),
  INSTANCE_NAME: text(undefined, {
    accepts: (value) => /^[\w.-]{1,64}$/.test(value),
    expected: 'up to 64 letters, digits, dots, hyphens and underscores',
    defaultText: "the machine's name",
    defaultTextZh: '主机名',
    description: 'What this server calls itself in `system/server/status`; of several instances each its own',
    descriptionZh: '本服务器在 `system/server/status` 中的名称；多实例时各不相同',
  }),
  SYS_INTERVAL_S: integer(10, 0, 86_400, {
    description: 'Seconds between updates of the topics below `$SYS/broker`; `0`: there are none',
    descriptionZh: '`$SYS/broker` 下各主题的更新间隔（秒）；`0` 为不发布',
  }),
  ...alertOptions,
  LOG_LEVEL: choice(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'], 'info', {
    description: '`trace`, `debug`, `info`, `warn`, `error`, `fatal` or `silent`',
    descriptionZh: '`trace`、`debug`、`info`、`warn`、`error`、`fatal` 或 `silent`',
  }),
  LOG_FORMAT: choice(['pretty', 'json'], undefined, {
    defaultText: '`pretty` on a terminal, else `json`',
    defaultTextZh: '终端上为 `pretty`，否则为 `json`',
    description: 'One JSON object a line, or text for people',
    descriptionZh: '每行一个 JSON 对象，或便于阅读的文本',
  }),
} as const

/** The settings in force: one value for each entry of `options`, under the variable's own name. */
export type Settings = {
  readonly [Name in keyof typeof options]: (typeof options)[Name] extends { read: (text: string) => infer T }
    ? Exclude<T, undefined> | (typeof options)[Name]['default']
    : never
}

/** The name of a setting, which is the name of its environment variable. */
export type SettingName = keyof typeof options
