import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ConfigError } from '#src/config/config-error.js'
import { loadSettings } from '#src/config/load.js'
import { options, type SettingName, type Settings } from '#src/config/options.js'
import { temporaryFolder } from '../support/temporary-folder.js'

/** What one setting is to be: absent, for texts that it takes, and the texts that it refuses. */
interface Case<T> {
  readonly absent: T
  readonly takes: Readonly<Record<string, T>>
  readonly refuses: readonly string[]
  /** As the error has it after "expected ". */
  readonly expected?: string
}

const ANY_TEXT = ['what ever: äß=#?']
const PORT = 'a port from 1 to 65535, 0 for any free one, or off'
const SWITCH = 'true or false (on or off)'
const switches = { true: true, on: true, 1: true, false: false, off: false, 0: false }

const port = (absent: number | 'off'): Case<number | 'off'> => ({
  absent,
  takes: { 0: 0, 1: 1, 65535: 65_535, off: 'off' },
  refuses: ['-1', '65536', '70000', '1883.5', '0x75b', 'on', 'OFF', ' 1883', '1e3'],
  expected: PORT,
})

const integer = (absent: number, min: number, max: number): Case<number> => ({
  absent,
  takes: { [min]: min, [max]: max },
  refuses: [`${min - 1}`, `${max + 1}`, `${min}.5`, ' ', 'off', '0x10', '1e2', '99999999999999999999'],
  expected: `a whole number from ${min} to ${max}`,
})

const text = <T extends string | undefined>(absent: T): Case<string | T> => ({
  absent,
  takes: Object.fromEntries(ANY_TEXT.map((value) => [value, value])),
  refuses: [],
})

/** Every setting: the compiler refuses this table when one is missing. */
const cases: { readonly [Name in SettingName]: Case<Settings[Name]> } = {
  MQTT_PORT: port(1883),
  MQTTS_PORT: port(8883),
  WS_PORT: port(9001),
  WSS_PORT: port('off'),
  WS_ORIGINS: {
    absent: [],
    takes: {
      'https://a.example': ['https://a.example'],
      'https://a.example,http://localhost:5173': ['https://a.example', 'http://localhost:5173'],
      ' https://a.example , https://b.example': ['https://a.example', 'https://b.example'],
    },
    refuses: [
      'a.example',
      'https://a.example/',
      'https://A.example',
      'https://a.example:443',
      'ftp://a',
      '*',
    ],
    expected: 'origins such as https://example.org, with commas between them',
  },
  HTTP_PORT: port(8080),
  BIND_ADDRESS: {
    absent: '0.0.0.0',
    takes: { '127.0.0.1': '127.0.0.1', '::': '::', '::1': '::1' },
    refuses: ['localhost', '0.0.0', '256.0.0.1', '[::1]', '*'],
    expected: 'an IPv4 or IPv6 address, such as 0.0.0.0, 127.0.0.1 or ::',
  },
  CONFIG_DIR: text('config'),
  CERTS_DIR: text('certs'),
  DATA_DIR: text('data'),
  DATABASE_URL: {
    absent: undefined,
    takes: { 'sqlite:a.db': 'sqlite:a.db', 'mysql://a:b@c/d': 'mysql://a:b@c/d' },
    refuses: [
      'host',
      'sqlite:',
      'sqlite://host/a.db',
      'mysql://a:b@c',
      'mysql://a:b@c/d?ssl=true',
      'mysql://a:b/c@d/e',
    ],
    expected: 'mysql://user:password@host:3306/name with special characters percent-encoded, or sqlite:path',
  },
  DB_HOST: text(undefined),
  DB_PORT: integer(3306, 1, 65_535),
  DB_NAME: text(undefined),
  DB_USER: text(undefined),
  DB_PASSWORD: text(undefined),
  DB_TIME_ZONE: {
    absent: 480,
    takes: { '+08:00': 480, '-03:30': -210, '+00:00': 0, Z: 0, '+14:00': 840, '-14:00': -840 },
    refuses: ['8', '+8:00', '+0800', '+14:01', '-15:00', '+05:60', 'Asia/Shanghai', 'UTC'],
    expected: 'an offset from UTC from -14:00 to +14:00, such as +08:00',
  },
  REDIS_URL: {
    absent: undefined,
    takes: { 'redis://:p%40ss@host:6379/0': 'redis://:p%40ss@host:6379/0', 'rediss://host': 'rediss://host' },
    refuses: ['host:6379', 'http://host', '//host'],
    expected: 'redis://[user:password@]host:6379/0 or rediss://…',
  },
  MQTT_USERNAME: {
    absent: undefined,
    takes: { admin: 'admin', 'Jörg 2': 'Jörg 2' },
    refuses: ['a:b', ':', 'a\nb', 'a\rb'],
    expected: 'a user name without a colon',
  },
  MQTT_PASSWORD: text(undefined),
  ALLOW_ANONYMOUS: { absent: false, takes: switches, refuses: ['yes', 'TRUE', '2'], expected: SWITCH },
  TLS_REQUIRE_CLIENT_CERT: { absent: false, takes: switches, refuses: ['yes', 'True'], expected: SWITCH },
  TLS_IDENTITY_AS_USERNAME: { absent: false, takes: switches, refuses: ['yes', 'ON'], expected: SWITCH },
  LOGIN_FAILURES: integer(10, 1, 1_000_000),
  LOGIN_REFUSE_AFTER: integer(15, 1, 1_000_000),
  LOGIN_WINDOW_S: integer(60, 1, 86_400),
  LOGIN_DELAY_MS: integer(1000, 0, 30_000),
  LOGIN_REFUSE_S: integer(300, 1, 86_400),
  UNKNOWN_DEVICES: {
    absent: undefined,
    takes: { register: 'register', reject: 'reject' },
    refuses: ['Register', 'accept'],
    expected: 'register or reject',
  },
  INGEST_ACK: {
    absent: 'stored',
    takes: { stored: 'stored', received: 'received' },
    refuses: ['none', 'STORED'],
    expected: 'stored or received',
  },
  INGEST_FLUSH_MS: integer(5, 0, 60_000),
  INGEST_BATCH: integer(1000, 1, 10_000),
  SPOOL_MAX_MB: integer(1024, 0, 1_000_000),
  HISTORY: { absent: true, takes: switches, refuses: ['no', 'On'], expected: SWITCH },
  HISTORY_DAYS: integer(30, 1, 36_500),
  OFFLINE_AFTER_S: integer(300, 1, 86_400),
  MAX_CONNECTIONS: integer(10_000, 1, 1_000_000),
  MAX_PACKET_BYTES: integer(1_048_576, 64, 268_435_460),
  MAX_QUEUED_MESSAGES: integer(1000, 0, 65_535),
  MAX_INFLIGHT: integer(20, 1, 65_535),
  MAX_BUFFERED_BYTES: integer(8_388_608, 65_536, 1_073_741_824),
  SESSION_EXPIRY_S: integer(604_800, 0, 4_294_967_295),
  MAX_RETAINED_MESSAGES: integer(100_000, 0, 10_000_000),
  MAX_RETAINED_MB: integer(64, 0, 65_536),
  MAX_KEEPALIVE_S: integer(65_535, 1, 65_535),
  INSTANCE_NAME: {
    absent: undefined,
    takes: { 'broker-1': 'broker-1', 'a.example_2': 'a.example_2' },
    refuses: ['a/b', 'a b', '+', 'x'.repeat(65)],
    expected: 'up to 64 letters, digits, dots, hyphens and underscores',
  },
  SYS_INTERVAL_S: integer(10, 0, 86_400),
  ALERT_WINDOW_S: integer(60, 0, 3600),
  ALERT_WEBHOOK_URL: {
    absent: undefined,
    takes: {
      'http://127.0.0.1:9/a?b=c': 'http://127.0.0.1:9/a?b=c',
      'https://a.example': 'https://a.example',
    },
    refuses: ['a.example/hook', 'ftp://a.example', 'https://', 'https://user:password@a.example'],
    expected: 'http://… or https://… without user name and password',
  },
  ALERT_FAILED_CONNECTIONS: integer(100, 0, 1_000_000),
  ALERT_MESSAGE_RATE: integer(5000, 0, 10_000_000),
  ALERT_CPU_PERCENT: integer(90, 0, 10_000),
  ALERT_MEMORY_PERCENT: integer(85, 0, 100),
  ALERT_EVENT_LOOP_DELAY_MS: integer(500, 0, 60_000),
  ALERT_RECONNECTS: integer(10, 0, 1_000_000),
  ALERT_TAKEOVERS: integer(5, 0, 1_000_000),
  ALERT_CLIENT_IDS: integer(100, 0, 10_000),
  ALERT_REJECTED_MESSAGES: integer(10, 0, 1_000_000),
  ALERT_SILENT_S: integer(600, 0, 604_800),
  LOG_LEVEL: {
    absent: 'info',
    takes: { trace: 'trace', fatal: 'fatal', silent: 'silent' },
    refuses: ['verbose', 'INFO'],
    expected: 'trace or debug or info or warn or error or fatal or silent',
  },
  LOG_FORMAT: {
    absent: undefined,
    takes: { pretty: 'pretty', json: 'json' },
    refuses: ['text'],
    expected: 'pretty or json',
  },
}

const NO_FOLDER = '/nonexistent'
const isSecret = (name: string): boolean =>
  Object.entries(options).some(([one, option]) => one === name && 'isSecret' in option)
const isSettingName = (name: string): name is SettingName => name in options
const all = Object.entries(cases).flatMap(([name, one]): [SettingName, Case<unknown>][] =>
  isSettingName(name) ? [[name, one]] : [],
)

function failure(environment: NodeJS.ProcessEnv, folder = NO_FOLDER): string {
  try {
    loadSettings(environment, folder)
  } catch (error) {
    if (error instanceof ConfigError) return error.message
    throw error
  }
  throw new Error('the settings were taken')
}

async function folderWith(envFile: string): Promise<string> {
  const folder = await temporaryFolder()
  await writeFile(join(folder, '.env'), envFile)
  return folder
}

describe('a setting', () => {
  it.each(all)('%s has its default', (name, { absent }) => {
    expect(loadSettings({}, NO_FOLDER)[name]).toStrictEqual(absent)
  })

  it.each(all)('%s takes its values, limits included', (name, { takes }) => {
    const read = Object.keys(takes).map((value) => [value, loadSettings({ [name]: value }, NO_FOLDER)[name]])
    expect(Object.fromEntries(read)).toEqual(takes)
  })

  it.each(all.flatMap(([name, { refuses, expected }]) => refuses.map((value) => [name, value, expected])))(
    '%s refuses %j, naming value, source and what is expected',
    (name, value, expected) => {
      const shown = isSecret(`${name}`) ? '(not shown)' : JSON.stringify(value)
      const message = failure({ [`${name}`]: value })
      expect(message).toBe(`CONFIG_VALUE: ${name} = ${shown} (environment); expected ${expected}`)
    },
  )

  it.each(all)('%s counts as absent when it is empty', async (name, { absent }) => {
    const folder = await folderWith(`${name}=\n`)
    expect(loadSettings({ [name]: '' }, folder)[name]).toStrictEqual(absent)
  })
})

describe('the settings', () => {
  it('come from the .env file in the working directory, and the environment goes first', async () => {
    const folder = await folderWith('# a comment\nMQTT_PORT=1884\nHTTP_PORT="8081"\n')
    const settings = loadSettings({ MQTT_PORT: '1885', WS_PORT: '' }, folder)
    expect(settings).toMatchObject({ MQTT_PORT: 1885, HTTP_PORT: 8081, WS_PORT: 9001 })
  })

  it('come from .env where the environment has an empty value', async () => {
    const folder = await folderWith('MQTT_PORT=1884\n')
    expect(loadSettings({ MQTT_PORT: '' }, folder).MQTT_PORT).toBe(1884)
  })

  it('name .env as the source of a wrong value', async () => {
    const folder = await folderWith('INGEST_FLUSH_MS=60001\n')
    expect(failure({}, folder)).toBe(
      'CONFIG_VALUE: INGEST_FLUSH_MS = "60001" (.env); expected a whole number from 0 to 60000',
    )
  })

  it('cannot be read from a .env that is no file', async () => {
    const folder = await temporaryFolder()
    await mkdir(join(folder, '.env'))
    expect(failure({}, folder)).toMatch(/^CONFIG_FILE: .*\.env cannot be read/)
  })

  it('are frozen', () => {
    const settings = loadSettings({}, NO_FOLDER)
    expect(Object.isFrozen(settings)).toBe(true)
    expect(() => Object.assign(settings, { MQTT_PORT: 1 })).toThrow(TypeError)
  })

  it('leave other variables alone', async () => {
    const folder = await folderWith('MQTT_PROT=1\nPATH=/nowhere\n')
    const settings = loadSettings({ MQTT_PORTS: '1', HOME: '/root', mqtt_port: '1' }, folder)
    expect(Object.keys(settings)).toEqual(Object.keys(options))
    expect(settings).toEqual(loadSettings({}, NO_FOLDER))
  })

  it('keep every secret out of an error', () => {
    const secrets = all.filter(([name]) => isSecret(name)).map(([name]) => name)
    expect(secrets).toEqual([
      'DATABASE_URL',
      'DB_PASSWORD',
      'REDIS_URL',
      'MQTT_PASSWORD',
      'ALERT_WEBHOOK_URL',
    ])
    expect(failure({ REDIS_URL: 'http://:hunter2@host' })).not.toContain('hunter2')
  })
})
