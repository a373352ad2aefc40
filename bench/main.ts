import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { connect } from './connect/connect.js'
import { deliver } from './deliver/deliver.js'
import { growth } from './growth/growth.js'
import { idle } from './idle/idle.js'
import { ingest } from './ingest/ingest.js'
import { logins } from './logins/logins.js'
import { publish } from './publish/publish.js'
import { restart } from './restart/restart.js'
import type { Figure, Scenario } from './scenario.js'
import { start } from './start/start.js'
import { createProcesses } from './support/processes.js'
import { type Row, rowsOf, tableOf } from './support/table.js'
import { transports } from './transports/transports.js'

const scenarios: readonly Scenario[] = [
  ...[ingest, publish, deliver, transports],
  ...[logins, connect, idle, growth, restart, start],
]

const USAGE = `Usage: npm run bench -- [NAME] [--runs N] [--rows N] [--json FILE] [--profile FOLDER]

  --runs N          measure so often (3), and take the medians
  --rows N          growth: compare a history of so many rows with one of a million instead
  --json FILE       write the figures there as well
  --profile FOLDER  leave CPU profiles of the server there; they make it slower

${scenarios.map(({ name, about }) => `  ${name.padEnd(18)}${about}`).join('\n')}
`

/** What is asked for on the command line. */
interface Request {
  readonly chosen: readonly Scenario[]
  readonly runs: number
  readonly rows: number | undefined
  readonly json: string | undefined
  readonly profile: string | undefined
}

const folder = mkdtempSync(join(tmpdir(), 'damselfly-bench-'))
const processes = createProcesses()
process.on('exit', () => {
  processes.kill()
  rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
})
for (const [signal, code] of [['SIGINT', 130] as const, ['SIGTERM', 143] as const]) {
  process.on(signal, () => process.exit(code))
}

const say = (text: string): void => {
  process.stderr.write(`${text}\n`)
}

function parseRequest(argv: readonly string[]): Request | undefined {
  const { values, positionals } = parseArgs({
    args: [...argv],
    options: {
      ...{ runs: { type: 'string' }, rows: { type: 'string' } },
      ...{ json: { type: 'string' }, profile: { type: 'string' } },
    },
    allowPositionals: true,
  })
  const [name] = positionals
  const chosen = scenarios.filter((scenario) => name === undefined || scenario.name === name)
  const runs = Number(values.runs ?? 3)
  const rows = values.rows === undefined ? undefined : Number(values.rows)
  const isWrong = [runs, rows ?? 1].some((count) => !Number.isInteger(count) || count < 1)
  if (chosen.length === 0 || positionals.length > 1 || isWrong) return undefined
  return { chosen, runs, rows, json: values.json, profile: values.profile }
}

async function measure(scenario: Scenario, { runs, rows, profile }: Request): Promise<readonly Row[]> {
  const figures: (readonly Figure[])[] = []
  for (let run = 1; run <= runs; run += 1) {
    say(`${scenario.name}, run ${run} of ${runs}, load average ${loadavg()[0]?.toFixed(2)}`)
    const runFolder = mkdtempSync(join(folder, `${scenario.name}-`))
    figures.push(await scenario.run({ processes, folder: runFolder, profileFolder: profile, rows, say }))
    await processes.end()
    rmSync(runFolder, { recursive: true, force: true })
  }
  return rowsOf(scenario.name, figures)
}

async function main(): Promise<number> {
  const request = parseRequest(process.argv.slice(2))
  if (request === undefined) {
    process.stderr.write(USAGE)
    return 2
  }
  const machine = `${availableParallelism()} cores, Node ${process.versions.node}, ${process.platform}`
  const loadBefore = loadavg()
  const rows: Row[] = []
  for (const scenario of request.chosen) rows.push(...(await measure(scenario, request)))
  process.stdout.write(`\n${machine}, ${request.runs} runs\n\n${tableOf(rows)}`)
  if (request.json !== undefined) {
    const report = { machine, runs: request.runs, loadBefore, loadAfter: loadavg(), rows }
    writeFileSync(request.json, `${JSON.stringify(report, undefined, 2)}\n`)
  }
  return 0
}

try {
  process.exit(await main())
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exit(1)
}
