import { join } from 'node:path'
import { ConfigError } from './config-error.js'
import { type DatabaseAddress, type MysqlAddress, parseDatabaseUrl } from './database-url.js'
import type { Settings } from './options.js'

type Variables = Pick<
  Settings,
  'DATABASE_URL' | 'DB_HOST' | 'DB_PORT' | 'DB_NAME' | 'DB_USER' | 'DB_PASSWORD' | 'DATA_DIR'
>

const PARTS = ['DB_HOST', 'DB_NAME', 'DB_USER', 'DB_PASSWORD'] as const

/**
 * The database that the settings name: `DATABASE_URL`, else the platform's `DB_*`, else the embedded one.
 *
 * @throws ConfigError CONFIG_CONFLICT for a half-filled or doubled set.
 */
export function databaseAddress(settings: Variables): DatabaseAddress {
  const fromUrl = settings.DATABASE_URL === undefined ? undefined : parseDatabaseUrl(settings.DATABASE_URL)
  if (fromUrl !== undefined) {
    const doubled = PARTS.find((name) => settings[name] !== undefined)
    if (doubled === undefined) return fromUrl
    throw new ConfigError('CONFIG_CONFLICT', `DATABASE_URL and ${doubled} are both set; keep one of them`)
  }
  if (settings.DB_HOST !== undefined) return fromParts(settings, settings.DB_HOST)
  const stray = PARTS.find((name) => settings[name] !== undefined)
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

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}
