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

/** Reads `sqlite:path`, `sqlite:///path` or `mysql://user:password@host:port/name`; `undefined` for all else. */
export function parseDatabaseUrl(text: string): DatabaseAddress | undefined {
  if (text.startsWith('sqlite:')) return parseSqlite(text.slice('sqlite:'.length))
  const url = URL.canParse(text) ? new URL(text) : undefined
  const database = decoded(url?.pathname.slice(1) ?? '')
  const user = decoded(url?.username ?? '')
  const password = decoded(url?.password ?? '')
  if (url === undefined || database === undefined || user === undefined || password === undefined)
    return undefined
  const isMysql = url.protocol === 'mysql:' || url.protocol === 'mariadb:'
  // An open slash in a password makes the rest of it look like a path; options after `?` would be ignored.
  const isPlain = !url.pathname.slice(1).includes('/') && url.search === '' && url.hash === ''
  if (!isMysql || !isPlain || url.hostname === '' || database === '') return undefined
  const host = url.hostname.replace(/^\[|\]$/g, '')
  return { kind: 'mysql', host, port: url.port === '' ? 3306 : Number(url.port), user, password, database }
}

function parseSqlite(path: string): SqliteAddress | undefined {
  const isUrl = path.startsWith('//') // whose first part would be a host; only an empty one makes sense
  if (path === '' || (isUrl && !path.startsWith('///'))) return undefined
  return { kind: 'sqlite', path: isUrl ? path.slice(2) : path }
}

function decoded(part: string): string | undefined {
  try {
    return decodeURIComponent(part)
  } catch {
    return undefined
  }
}
