import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type Database, openMariadb } from '../ingest/database.js'
import { addFleet } from '../ingest/fleet.js'
import type { Context, Figure } from '../scenario.js'
import { cpuMicroseconds } from '../support/cpu.js'
import { startServer } from '../support/server.js'
import { isRecord, startWorker } from '../support/worker.js'

const DEVICES = 1000
const SENSORS = ['humidity', 'light', 'temperature'] as const

/** The history that the large one is compared with. */
const FEW_ROWS = 1_000_000

/** Rows a statement writes: the undo log of one stays small beside the table. */
const ROWS_A_STATEMENT = 1_000_000

/** Pages that wait for the disk in a database that has nothing to do. */
const DIRTY_PAGES = 500

/** The servers take turns, so that what else the machine does falls to both. */
const TURNS = 4
const TURN_MS = 2500

/** Code that has run often is compiled by then, and devices are known. */
const WARM_UP_MS = 4000

/** What a message of three readings costs where the history has so many rows, beside one of a million. */
export async function measureHistory(context: Context, rows: number): Promise<readonly Figure[]> {
  const opened: Database[] = []
  try {
    for (let index = 0; index < 2; index += 1) opened.push(await openMariadb())
    const [few, many] = opened
    if (few === undefined || many === undefined) throw new Error('no databases')
    const measured = [await begin(context, few, FEW_ROWS), await begin(context, many, rows)] as const
    for (let turn = 0; turn < TURNS; turn += 1) for (const { measure } of measured) await measure()
    const figures = figuresOf(rows, measured[0].measured(), measured[1].measured())
    for (const { what, value, reference } of figures)
      context.say(`  ${what}: ${value.toFixed(0)}, ${reference?.value.toFixed(0)} with ${reference?.what}`)
    await context.processes.end()
    return figures
  } finally {
    await Promise.all(opened.map(({ stop }) => stop()))
  }
}

/** What was acknowledged, and what it took in microseconds a message. */
interface Measured {
  readonly perSecond: number
  readonly cpuEach: number
  readonly databaseCpuEach: number
}

/** Fills a history, and starts a server with its load. */
async function begin(context: Context, database: Database, rows: number) {
  const fleet = await addFleet(database.address, DEVICES)
  const fromMs = performance.now()
  await fill(database, rows)
  await writeOut(database)
  const seconds = Math.round((performance.now() - fromMs) / 1000)
  context.say(`history of ${rows.toLocaleString('en')} rows, filled in ${seconds} s`)
  const folder = join(context.folder, `rows-${rows}`)
  await mkdir(folder)
  const { port, pid } = await startServer({ ...context, folder }, { DATABASE_URL: database.url })
  const load = startWorker(context, 'ingest/load.js')
  await load.ask('connect', { port, fleet })
  await load.ask('saturate', WARM_UP_MS)
  const databasePid = database.pid ?? Number.NaN
  const cpuNow = () => Promise.all([cpuMicroseconds(pid), cpuMicroseconds(databasePid)])
  const sum = { messages: 0, tookMs: 0, cpu: 0, databaseCpu: 0 }
  return {
    async measure(): Promise<void> {
      const [cpu, databaseCpu] = await cpuNow()
      const answer = await load.ask('saturate', TURN_MS)
      const [cpuAfter, databaseCpuAfter] = await cpuNow()
      if (!isRecord(answer)) throw new Error('the devices told nothing')
      sum.messages += Number(answer['messages'])
      sum.tookMs += Number(answer['tookMs'])
      sum.cpu += cpuAfter - cpu
      sum.databaseCpu += databaseCpuAfter - databaseCpu
    },
    measured: (): Measured => ({
      perSecond: (sum.messages / sum.tookMs) * 1000,
      cpuEach: sum.cpu / sum.messages,
      databaseCpuEach: sum.databaseCpu / sum.messages,
    }),
  }
}

/**
 * Readings every so many seconds up to now, of each sensor of each device as many, in the order of the table:
 * the devices' own rows come behind them, as they do where all of them were written one after the other.
 */
async function fill(database: Database, rows: number): Promise<void> {
  const each = Math.ceil(rows / DEVICES / SENSORS.length)
  const perStatement = Math.max(1, Math.floor(ROWS_A_STATEMENT / each / SENSORS.length))
  const sensor = `ELT(1 + n MOD ${3 * each} DIV ${each}, ${SENSORS.map((name) => `'${name}'`).join(', ')})`
  const time = `@now - INTERVAL (${each} - n MOD ${each}) * 10 SECOND`
  await database.ask('SET GLOBAL innodb_io_capacity_max = 20000; SET GLOBAL innodb_io_capacity = 10000')
  for (let device = 0; device < DEVICES; device += perStatement) {
    const until = Math.min(DEVICES, device + perStatement)
    const [first, last] = [device * 3 * each, until * 3 * each - 1]
    await database.ask(`
      SET @now = UTC_TIMESTAMP(3) + INTERVAL 8 HOUR - INTERVAL 10 MINUTE;
      INSERT INTO device_sensor_history (device_id, sensor_name, recorded_at, discriminator, value)
      SELECT 1 + n DIV ${3 * each}, ${sensor}, ${time}, 0, 20 + n MOD 100 / 10
      FROM (SELECT seq AS n FROM seq_${first}_to_${last}) AS numbers`)
  }
}

/** Waits until what was filled in is on disk, which would otherwise count as the work of the messages. */
async function writeOut({ ask }: Database): Promise<void> {
  await ask('SET GLOBAL innodb_max_dirty_pages_pct = 0')
  for (;;) {
    const [row] = await ask("SHOW GLOBAL STATUS LIKE 'Innodb_buffer_pool_pages_dirty'")
    if (Number(row?.['Value']) < DIRTY_PAGES) break
    await delay(200)
  }
  await ask(`
    SET GLOBAL innodb_max_dirty_pages_pct = DEFAULT;
    SET GLOBAL innodb_io_capacity = DEFAULT;
    SET GLOBAL innodb_io_capacity_max = 2000`)
}

function figuresOf(rows: number, few: Measured, many: Measured): Figure[] {
  const name = rows.toLocaleString('en')
  const figure = (what: string, unit: Figure['unit'], of: (measured: Measured) => number): Figure => ({
    what: `${name} rows of history, ${what}`,
    unit,
    value: of(many),
    reference: { what: FEW_ROWS.toLocaleString('en'), value: of(few) },
  })
  return [
    figure('CPU of the server a message', 'µs', ({ cpuEach }) => cpuEach),
    figure('CPU of MariaDB a message', 'µs', ({ databaseCpuEach }) => databaseCpuEach),
    figure('rows stored', '/s', ({ perSecond }) => perSecond * SENSORS.length),
  ]
}
