import type { Mariadb } from '../../test/support/mariadb.js'
import { spooledMessages } from '../support/spool-file.js'
import { holdsWithin } from '../support/wait.js'
import { type Ledger, type Message, nameOf } from './ledger.js'
import type { Publisher } from './publisher.js'
import type { Subscriber } from './subscriber.js'

/** Who is to be checked. */
export interface CheckParts {
  readonly ledger: Ledger
  readonly mariadb: Mariadb
  /** The working directory of the server. */
  readonly folder: string
  readonly publishers: readonly Publisher[]
  readonly subscribers: readonly Subscriber[]
}

/** Compares what clients know with what is stored and was delivered, and forgets what is settled. */
export interface Check {
  /** With server and database up, publishers that only send again, and subscribers that stay. */
  run(): Promise<void>
  /** Rows in the history so far, and those among them that stand for a repeat that nothing tells from the first. */
  readonly rows: number
  readonly doubled: number
}

/** Everything ends in seconds; what has not ended by then never will. */
const PATIENCE_MS = 90_000

/** A check of whatever has happened since the one before. */
export function createCheck(parts: CheckParts): Check {
  const { ledger, mariadb, folder, publishers, subscribers } = parts
  const { faults } = ledger
  /** Numbers up to it are checked, and have so many rows. */
  let checked = 0
  let rows = 0
  let doubled = 0

  const untilSettled = async (): Promise<void> => {
    const isSettled = await holdsWithin(PATIENCE_MS, () => publishers.every(({ isIdle }) => isIdle))
    for (const { name, waiting } of isSettled ? [] : publishers) {
      if (waiting > 0) faults.push(`${name} has had no acknowledgement for ${waiting} messages`)
    }
    const isEmpty = await holdsWithin(PATIENCE_MS, async () => (await spooledMessages(folder)) === 0)
    if (!isEmpty) faults.push(`the spool still holds ${await spooledMessages(folder)} messages`)
  }

  const checkHistory = async (): Promise<void> => {
    const [earlier] = await mariadb.query(
      'readings',
      'SELECT COUNT(*) AS readings FROM device_sensor_history WHERE value <= ?',
      [checked],
    )
    if (Number(earlier?.['readings']) !== rows) {
      faults.push(`${rows} rows of earlier readings have become ${earlier?.['readings']}`)
    }
    const counts = await mariadb.query(
      'readings',
      'SELECT value, COUNT(*) AS times FROM device_sensor_history WHERE value > ? GROUP BY value',
      [checked],
    )
    const times = new Map(counts.map((row) => [Number(row['value']), Number(row['times'])]))
    for (const message of ledger.open.values()) {
      const stored = times.get(message.number) ?? 0
      const fault = storedWrongly(message, stored)
      if (fault !== undefined) faults.push(fault)
      if (stored > 1) doubled += stored - 1
      times.delete(message.number)
    }
    for (const number of times.keys()) faults.push(`a reading ${number} that nobody sent`)
    rows = Number(earlier?.['readings']) + counts.reduce((sum, row) => sum + Number(row['times']), 0)
  }

  const misses = (message: Message, index: number): boolean =>
    subscribers[index]?.receives(message.topic) === true &&
    message.isAcknowledged &&
    (message.deliveries[index] ?? 0) === 0

  const checkDeliveries = async (): Promise<void> => {
    const missing = (): (readonly [Message, Subscriber])[] =>
      [...ledger.open.values()].flatMap((message) =>
        subscribers.flatMap((one, index) => (misses(message, index) ? [[message, one] as const] : [])),
      )
    await holdsWithin(PATIENCE_MS, () => missing().length === 0)
    for (const [message, { name }] of missing()) faults.push(`${nameOf(message)} never came to ${name}`)
  }

  /** The newest reading of each device, which came when nothing else was under way, is what its row shows. */
  const checkState = async (): Promise<void> => {
    const newest = publishers.map((publisher) => [publisher.name, publisher.reportNow().number] as const)
    await holdsWithin(PATIENCE_MS, () => publishers.every(({ isIdle }) => isIdle))
    const shown = await mariadb.query(
      'readings',
      `SELECT m.device_id AS name, JSON_VALUE(m.last_report_data, '$.sensors.value.value') AS reported,
         (SELECT sensor_value FROM device_sensors s WHERE s.device_uuid = m.uuid) AS state FROM device_main m`,
    )
    const states = new Map(shown.map((row) => [String(row['name']), `${row['reported']} ${row['state']}`]))
    for (const [name, number] of newest) {
      const state = states.get(name)
      if (state !== `${number} ${number}`) faults.push(`${name} shows ${state}, and reported ${number} last`)
    }
  }

  return {
    async run() {
      await untilSettled()
      await checkState()
      await checkHistory()
      await checkDeliveries()
      checked = ledger.lastNumber
      ledger.close()
    },
    get rows() {
      return rows
    },
    get doubled() {
      return doubled
    },
  }
}

/** A QoS 1 message without a time, and a QoS 2 message that the session did not have yet, may be there once more for each time that it was sent. */
function storedWrongly(message: Message, stored: number): string | undefined {
  const { isReading, isAcknowledged, hasOwnTime, transmissions } = message
  const most = !isReading ? 0 : hasOwnTime ? 1 : transmissions
  if (stored > most) return `${nameOf(message)} stored ${stored} times`
  return stored === 0 && isReading && isAcknowledged ? `${nameOf(message)} not stored` : undefined
}
