import { join } from 'node:path'
import { ConfigError } from './config-error.js'
import type { Settings } from './options.js'

/** Where the readings go. */
export type DatabaseAddress = MysqlAddress | SqliteAddress

/** A MySQL or MariaDB server and the schema in it. */
export interface MysqlAddress {
  readonly kind: 'mysql'
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string
  readonly database: string
}

/** An embedded SQLite file. */
export interface SqliteAddress {
  readonly kind: 'sqlite'
  readonly path: string
}

type Variables = Pick<
  Settings,
  'DATABASE_URL' | 'DB_HOST' | 'DB_PORT' | 'DB_NAME' | 'DB_USER' | 'DB_PASSWORD' | 'DATA_DIR'
>

/**
 * The database that the settings name: `DATABASE_URL`, else the platform's `DB_*`, else the embedded one.
 *
 * @throws ConfigError CONFIG_VALUE for a URL that is none, CONFIG_CONFLICT for a half-filled or doubled set.
 */
export function databaseAddress(settings: Variables): DatabaseAddress {
  if (settings.DATABASE_URL !== undefined) {
    if (settings.DB_HOST !== undefined) {
      throw new ConfigError('CONFIG_CONFLICT', 'DATABASE_URL and DB_HOST are both set; keep one of them')
    }
    return fromUrl(settings.DATABASE_URL)
  }
  if (settings.DB_HOST !== undefined) return fromParts(settings, settings.DB_HOST)
  const stray = (['DB_NAME', 'DB_USER', 'DB_PASSWORD'] as const).find((name) => settings[name] !== undefined)
  if (stray !== undefined) {
    throw new ConfigError(
      'CONFIG_CONFLICT',
      `${stray} is set without DB_HOST; set DB_HOST, or DATABASE_URL instead`,
    )
  }
  return { kind: 'sqlite', path: join(settings.DATA_DIR, 'damselfly.db') }
}

/** The address as it may be logged: without the password. */
export function describeDatabase(address: DatabaseAddress): string {
  return address.kind === 'sqlite'
    ? `sqlite:${address.path}`
    : `mysql://${encodeURIComponent(address.user)}@${bracketed(address.host)}:${address.port}/${address.database}`
}

function fromParts(settings: Variables, host: string): MysqlAddress {
  const { DB_NAME: database, DB_USER: user } = settings
  if (database === undefined || user === undefined) {
    const missing = database === undefined ? 'DB_NAME' : 'DB_USER'
    throw new ConfigError('CONFIG_CONFLICT', `DB_HOST is set without ${missing}; set ${missing} too`)
  }
  return { kind: 'mysql', host, port: settings.DB_PORT, user, password: settings.DB_PASSWORD ?? '', database }
}

function fromUrl(text: string): DatabaseAddress {
  if (text.startsWith('sqlite:')) {
    const path = text.slice('sqlite:'.length).replace(/^\/\/(?=\/)/, '')
    if (path !== '') return { kind: 'sqlite', path }
  }
  const url = URL.canParse(text) ? new URL(text) : undefined
  const database = url?.pathname.slice(1) ?? ''
  if (
    url === undefined ||
    !/^(mysql|mariadb):$/.test(url.protocol) ||
    url.hostname === '' ||
    database === '' ||
    database.includes('/') // an open slash in a password makes the rest of it look like a path
  ) {
    throw invalidUrl()
  }
  return {
    kind: 'mysql',
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? 3306 : Number(url.port),
    user: decoded(url.username),
    password: decoded(url.password),
    database: decoded(database),
  }
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    throw invalidUrl()
  }
}

function invalidUrl(): ConfigError {
  return new ConfigError(
    'CONFIG_VALUE',
    'DATABASE_URL (not shown) is no database; expected mysql://user:password@host:3306/name with special ' +
      'characters percent-encoded, or sqlite:path',
  )
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}
