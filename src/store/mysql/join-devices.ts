import { type SQL, sql } from 'drizzle-orm'

/**
 * Joins `r`, rows with a device's id, to `device_main AS m`, each to its own row: what follows them in an UPDATE. Left
 * to itself, MariaDB expects 40 rows of any JSON_TABLE, and where it believes `device_main` to be smaller, it goes
 * through that instead and locks all of it. Its belief may be old: a server that was killed soon after devices were
 * added took 500 of them for two until the next were added, and was a hundred times slower.
 */
export const joinDevices: SQL = sql`
  STRAIGHT_JOIN device_main AS m FORCE INDEX FOR JOIN (PRIMARY) ON m.id = r.id`
