import { createConnection } from 'mysql2/promise'
import { formatDateTimeMs } from '#src/store/date-time.js'
import { isRecord, serveTasks } from '../support/worker.js'

/**
 * Writes history rows with plain INSERTs of many rows, one after the other on one connection, each a transaction:
 * what the database reaches when that is all that anyone asks of it.
 */

const SENSORS = ['temperature', 'humidity', 'light'] as const

const ZONE_OFFSET_MINUTES = 480

/** A row for each sensor of each device at one time. */
function insertOf(deviceCount: number, timeMs: number): string {
  const time = formatDateTimeMs(timeMs, ZONE_OFFSET_MINUTES)
  const rows: string[] = []
  for (let device = 1; device <= deviceCount; device += 1) {
    for (const sensor of SENSORS) rows.push(`(${device},'${sensor}','${time}',0,${20 + (timeMs % 100) / 10})`)
  }
  return `INSERT INTO device_sensor_history (device_id,sensor_name,recorded_at,discriminator,value) VALUES ${rows.join(',')}`
}

async function insert(url: string, deviceCount: number, forMs: number): Promise<object> {
  const connection = await createConnection(url)
  const beginMs = Date.now()
  let statement = 0
  let rows = 0
  let next = insertOf(deviceCount, beginMs)
  const firstMs = performance.now()
  while (performance.now() - firstMs < forMs) {
    const written = connection.query(next)
    statement += 1
    // The next is made while the database is busy with this one, which so waits for nothing here.
    next = insertOf(deviceCount, beginMs + statement)
    await written
    rows += deviceCount * SENSORS.length
  }
  const tookMs = performance.now() - firstMs
  await connection.end()
  return { rows, tookMs }
}

serveTasks({
  async insert(input) {
    if (!isRecord(input)) throw new Error('no input')
    return insert(String(input['url']), Number(input['deviceCount']), Number(input['forMs']))
  },
})
