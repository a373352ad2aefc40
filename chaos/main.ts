import { randomInt } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { createRandom } from '../test/support/random.js'
import { databaseScenarios } from './database/scenarios.js'
import { fuzzing } from './fuzz/fuzz.js'
import { kill } from './kill/kill.js'
import { overload } from './overload/overload.js'
import { redis } from './redis/redis.js'
import type { Result, Scenario } from './scenario.js'
import { createGround, type Ground } from './support/ground.js'

const scenarios: readonly Scenario[] = [kill, ...databaseScenarios, redis, overload, fuzzing]

const USAGE = `Usage: npm run chaos -- [NAME …] [--rounds N] [--seconds N] [--seed N]

  NAME         a scenario, or the beginning of several names; none: all of them
  --rounds N   how often, where a scenario has rounds
  --seconds N  how long, where a scenario lasts
  --seed N     the seed of an earlier run, 1 to ${0xffff_ffff}, for the same random numbers

${scenarios.map(({ name, about }) => `  ${name.padEnd(22)}${about}`).join('\n')}

One line a scenario on standard output; 0: all held, 1: something did not, 2: a wrong argument.
`

/** What is asked for on the command line. */
interface Request {
  readonly chosen: readonly Scenario[]
  readonly rounds: number | undefined
  readonly seconds: number | undefined
  readonly seed: number
}

const grounds = new Set<Ground>()
let isInterrupted = false
for (const [signal, code] of [['SIGINT', 130] as const, ['SIGTERM', 143] as const]) {
  process.once(signal, () => {
    isInterrupted = true
    void Promise.allSettled([...grounds].map((ground) => ground.end(false))).then(() => process.exit(code))
  })
}

const say = (text: string): void => {
  process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${text}\n`)
}

/** @throws Error for what is no argument of ours. */
function parseRequest(argv: readonly string[]): Request | 'help' {
  const { values, positionals } = parseArgs({
    args: [...argv],
    options: {
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      seed: { type: 'string' },
      help: { type: 'boolean' },
    },
    allowPositionals: true,
  })
  if (values.help === true) return 'help'
  for (const name of positionals) {
    if (!scenarios.some((one) => one.name.startsWith(name)))
      throw new Error(`no scenario begins with ${name}`)
  }
  const isChosen = ({ name }: Scenario): boolean =>
    positionals.length === 0 || positionals.some((one) => name.startsWith(one))
  return {
    chosen: scenarios.filter(isChosen),
    rounds: wholeNumber('rounds', values.rounds),
    seconds: wholeNumber('seconds', values.seconds),
    seed: wholeNumber('seed', values.seed) ?? randomInt(1, 0xffff_ffff),
  }
}

function wholeNumber(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (Number.isInteger(value) && value >= 1 && value <= 0xffff_ffff) return value
  throw new Error(`--${name} ${text}; expected 1 to ${0xffff_ffff}`)
}

/** Runs one, and prints its line; whether all held. */
async function hold(scenario: Scenario, { rounds, seconds, seed }: Request): Promise<boolean> {
  const ground = createGround(scenario.name)
  grounds.add(ground)
  const beganMs = performance.now()
  let result: Result
  try {
    result = await scenario.run({ ground, random: createRandom(seed), rounds, seconds, say })
  } catch (error) {
    result = { done: 'not done', faults: [error instanceof Error ? (error.stack ?? '') : String(error)] }
  }
  if (isInterrupted) return new Promise(() => undefined) // the process ends when all is taken back
  const { done, faults } = result
  const [first] = faults
  if (first !== undefined) writeFileSync(join(ground.folder, 'faults'), `${faults.join('\n')}\n`)
  await ground.end(first !== undefined)
  grounds.delete(ground)
  const took = `${Math.round((performance.now() - beganMs) / 1000)} s`
  const verdict =
    first === undefined ? 'ok' : `LOST, ${faults.length} in all, see ${ground.folder}; the first: ${first}`
  process.stdout.write(`${scenario.name}: ${done}; ${took}: ${verdict}\n`)
  return first === undefined
}

async function main(): Promise<number> {
  let request: ReturnType<typeof parseRequest>
  try {
    request = parseRequest(process.argv.slice(2))
  } catch (error) {
    process.stderr.write(`chaos: ${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`)
    return 2
  }
  if (request === 'help') {
    process.stdout.write(USAGE)
    return 0
  }
  process.stdout.write(`seed ${request.seed}\n`)
  let isHeld = true
  for (const scenario of request.chosen) isHeld = (await hold(scenario, request)) && isHeld
  return isHeld ? 0 : 1
}

process.exit(await main())
