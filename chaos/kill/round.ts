import { setTimeout as delay } from 'node:timers/promises'
import type { RunningMariadb } from '../../test/support/mariadb.js'
import type { Random } from '../../test/support/random.js'
import type { LogLine, Server } from '../../test/support/server-process.js'

/** What a round breaks. */
export interface RoundParts {
  readonly random: Random
  readonly mariadb: RunningMariadb
  /** Starts the server again in the folder of the one before. */
  readonly spawn: () => Server
  /** Resolves when the server has acknowledged something, or will not. */
  readonly traffic: () => Promise<unknown>
}

/** Kills a server at a random moment, and brings back whatever else it has killed. */
type Round = (parts: RoundParts) => Promise<void>

const isReady = ({ msg }: LogLine): boolean => msg === 'ready'
const isAway = ({ msg }: LogLine): boolean => msg.startsWith('cannot write to the database')
const isReplaying = ({ msg }: LogLine): boolean => msg.startsWith('writing what waits in the spool')

async function end(server: Server): Promise<void> {
  server.kill('SIGKILL')
  await server.ended
}

/** Waits for a line, though not longer than `timeMs`: what does not come is a moment like any other. */
async function sees(server: Server, accepts: (line: LogLine) => boolean, timeMs: number): Promise<void> {
  const tooLate = new AbortController()
  const late = delay(timeMs, undefined, { signal: tooLate.signal }).catch(() => undefined)
  await Promise.race([server.logged(accepts), late]).finally(() => tooLate.abort())
}

const underLoad: Round = async ({ random, spawn, traffic }) => {
  const server = spawn()
  await server.logged(isReady)
  await traffic()
  await delay(random.below(1200))
  await end(server)
}

const whileStarting: Round = async ({ random, spawn }) => {
  const server = spawn()
  await delay(random.below(800))
  await end(server)
}

const withDatabase: Round = async ({ random, mariadb, spawn, traffic }) => {
  const server = spawn()
  await server.logged(isReady)
  await traffic()
  await delay(random.below(1200))
  await Promise.all(random.below(2) === 0 ? [end(server), mariadb.crash()] : [mariadb.crash(), end(server)])
  await mariadb.restart()
}

const databaseDown: Round = async ({ random, mariadb, spawn, traffic }) => {
  const server = spawn()
  await server.logged(isReady)
  await traffic()
  await delay(random.below(600))
  await mariadb.crash()
  if (random.below(3) > 0) await sees(server, isAway, 5000)
  await delay(random.below(1200))
  await end(server)
  await mariadb.restart()
}

const duringReplay: Round = async ({ random, mariadb, spawn, traffic }) => {
  const server = spawn()
  await server.logged(isReady)
  await traffic()
  await delay(random.below(300))
  await mariadb.crash()
  await sees(server, isAway, 5000)
  await delay(random.below(800))
  await mariadb.restart()
  await sees(server, isReplaying, 8000)
  await delay(random.below(250))
  await end(server)
}

/** Which round, and how many of twenty. */
const rounds: readonly (readonly [name: string, share: number, round: Round])[] = [
  ['under load', 9, underLoad],
  ['while starting', 2, whileStarting],
  ['with the database', 3, withDatabase],
  ['database down', 3, databaseDown],
  ['during replay', 3, duringReplay],
]

/** The name of what was done. */
export async function playRound(parts: RoundParts): Promise<string> {
  const [name, , round] = parts.random.of(rounds.flatMap((one) => Array.from({ length: one[1] }, () => one)))
  await round(parts)
  return name
}
