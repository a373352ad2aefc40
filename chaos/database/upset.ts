import type { Line } from '../../test/support/line.js'
import type { RunningMariadb } from '../../test/support/mariadb.js'
import type { Random } from '../../test/support/random.js'

/** Something that a database does to its clients. */
export interface Upset {
  /** `database-…` */
  readonly name: string
  readonly about: string
  /** How long it lasts, unless the command line says. */
  readonly seconds: number
  /** Options of `mariadbd`. */
  readonly options?: readonly string[]
  /** Whether the server reaches the database through the line. */
  readonly usesLine?: boolean
  /** Does it, and takes it back at the end; tells its figures. */
  act(tools: UpsetTools): Promise<string>
}

/** What an upset has at hand. */
export interface UpsetTools {
  readonly mariadb: RunningMariadb
  /** Between the server and the database. */
  readonly line: Line
  readonly random: Random
  readonly seconds: number
  /** Has something ended with the run. */
  readonly defer: (end: () => unknown) => void
}
