import { describe, expect, it } from 'vitest'
import { ConfigError } from '#src/config/config-error.js'
import { databaseAddress, describeDatabase } from '#src/config/database.js'
import type { DatabaseAddress } from '#src/config/database-url.js'
import { loadSettings } from '#src/config/load.js'

const PASSWORD = 'hunter2'

function addressOf(environment: NodeJS.ProcessEnv): DatabaseAddress {
  return databaseAddress(loadSettings(environment, '/nonexistent'))
}

function failure(environment: NodeJS.ProcessEnv): ConfigError {
  try {
    addressOf(environment)
  } catch (error) {
    if (error instanceof ConfigError) return error
    throw error
  }
  throw new Error('the address was taken')
}

const parts = { DB_HOST: 'db', DB_NAME: 'readings', DB_USER: 'ann', DB_PASSWORD: 'a@b:c/d' }
const fromParts = {
  kind: 'mysql',
  host: 'db',
  port: 3306,
  user: 'ann',
  password: 'a@b:c/d',
  database: 'readings',
}

describe('the database', () => {
  it.each([
    ['the embedded one by default', {}, { kind: 'sqlite', path: 'data/damselfly.db' }],
    ['the embedded one in DATA_DIR', { DATA_DIR: '/var/x' }, { kind: 'sqlite', path: '/var/x/damselfly.db' }],
    [
      'a relative path',
      { DATABASE_URL: 'sqlite:my data/a#1?.db' },
      { kind: 'sqlite', path: 'my data/a#1?.db' },
    ],
    ['an absolute path', { DATABASE_URL: 'sqlite:/var/a.db' }, { kind: 'sqlite', path: '/var/a.db' }],
    [
      'an absolute path as a URL',
      { DATABASE_URL: 'sqlite:///var/a.db' },
      { kind: 'sqlite', path: '/var/a.db' },
    ],
    ['a path before DATA_DIR', { DATABASE_URL: 'sqlite:a', DATA_DIR: 'b' }, { kind: 'sqlite', path: 'a' }],
    [
      'a MySQL URL',
      { DATABASE_URL: 'mysql://ann:pass@db/readings' },
      { kind: 'mysql', host: 'db', port: 3306, user: 'ann', password: 'pass', database: 'readings' },
    ],
    [
      'a MariaDB URL with a port',
      { DATABASE_URL: 'mariadb://ann@db:3307/readings' },
      { kind: 'mysql', host: 'db', port: 3307, user: 'ann', password: '', database: 'readings' },
    ],
    [
      'a URL whose parts are percent-encoded',
      { DATABASE_URL: 'mysql://a%40b:p%3A%2F%23%25%C3%A9@db/r%20s' },
      { kind: 'mysql', host: 'db', port: 3306, user: 'a@b', password: 'p:/#%é', database: 'r s' },
    ],
    [
      'an IPv6 host',
      { DATABASE_URL: 'mysql://ann:pass@[fd00::1]:3306/readings' },
      { kind: 'mysql', host: 'fd00::1', port: 3306, user: 'ann', password: 'pass', database: 'readings' },
    ],
    ["the platform's variables, nothing decoded", parts, fromParts],
    ["the platform's variables with a port", { ...parts, DB_PORT: '3307' }, { ...fromParts, port: 3307 }],
    [
      "the platform's variables without a password",
      { ...parts, DB_PASSWORD: '' },
      { ...fromParts, password: '' },
    ],
    ['an empty DATABASE_URL beside DB_HOST', { ...parts, DATABASE_URL: '' }, fromParts],
  ])('is %s', (_what, environment, address) => {
    expect(addressOf(environment)).toEqual(address)
  })

  it.each([
    ['no scheme', 'db:3306/readings'],
    ['another scheme', `postgres://ann:${PASSWORD}@db/readings`],
    ['no database', `mysql://ann:${PASSWORD}@db`],
    ['an empty database', `mysql://ann:${PASSWORD}@db/`],
    ['no host', 'mysql:///readings'],
    ['a port out of range', `mysql://ann:${PASSWORD}@db:70000/readings`],
    ['no path', 'sqlite:'],
    ['a password with an open percent sign', `mysql://ann:${PASSWORD}%@db/readings`],
    ['a password with an open slash', `mysql://ann:${PASSWORD}/x@db/readings`],
    ['a password of digits with an open slash', `mysql://ann:22/${PASSWORD}@db/readings`],
    ['a password with an open hash', `mysql://ann:${PASSWORD}#x@db/readings`],
  ])('cannot be a URL with %s, and the error keeps it to itself', (_what, url) => {
    const { code, message } = failure({ DATABASE_URL: url })
    expect(code).toBe('CONFIG_VALUE')
    expect(message).toMatch(
      /^CONFIG_VALUE: DATABASE_URL = \(not shown\) .*expected mysql:\/\/.* sqlite:path$/,
    )
    expect(message).not.toContain(PASSWORD)
  })

  it.each([
    [['DATABASE_URL', 'DB_HOST'], { DATABASE_URL: `mysql://a:${PASSWORD}@b/c`, DB_HOST: 'db' }],
    [['DATABASE_URL', 'DB_NAME'], { DATABASE_URL: 'sqlite:a.db', DB_NAME: 'readings' }],
    [['DB_HOST', 'DB_NAME'], { DB_HOST: 'db', DB_USER: 'ann', DB_PASSWORD: PASSWORD }],
    [['DB_HOST', 'DB_USER'], { DB_HOST: 'db', DB_NAME: 'readings', DB_PASSWORD: PASSWORD }],
    [['DB_NAME', 'DB_HOST'], { DB_NAME: 'readings' }],
    [['DB_USER', 'DB_HOST'], { DB_USER: 'ann' }],
    [['DB_PASSWORD', 'DB_HOST'], { DB_PASSWORD: PASSWORD }],
  ])('is a conflict of %j', (names, environment) => {
    const { code, message } = failure(environment)
    expect(code).toBe('CONFIG_CONFLICT')
    for (const name of names) expect(message).toContain(name)
    expect(message).not.toContain(PASSWORD)
  })

  it.each([
    ['mysql://ann:hunter2@db/readings', 'mysql://ann@db:3306/readings'],
    ['mysql://a%40b:hunter2@[fd00::1]:3307/readings', 'mysql://a%40b@[fd00::1]:3307/readings'],
    ['sqlite:data/a.db', 'sqlite:data/a.db'],
  ])('is shown without its password', (url, shown) => {
    expect(describeDatabase(addressOf({ DATABASE_URL: url }))).toBe(shown)
  })
})
