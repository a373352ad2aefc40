import type { Mariadb } from '../../test/support/mariadb.js'
import type { Fleet } from './fleet.js'

/** Every number that a fleet sent is in the history exactly once, and the newest is what the state shows. */
export async function findFaults(mariadb: Mariadb, fleet: Fleet): Promise<string[]> {
  const rows = await mariadb.query(
    'readings',
    `SELECT m.device_id AS name, h.readings, h.numbers, h.newest,
       JSON_VALUE(m.last_report_data, '$.sensors.value.value') AS reported,
       (SELECT sensor_value FROM device_sensors s
         WHERE s.device_uuid = m.uuid AND sensor_name = 'value') AS state
     FROM device_main m JOIN (
       SELECT device_id, COUNT(*) AS readings, COUNT(DISTINCT value) AS numbers, MAX(value) AS newest
       FROM device_sensor_history WHERE sensor_name = 'value' GROUP BY device_id
     ) h ON m.id = h.device_id`,
  )
  const found = new Map(rows.map((row) => [String(row['name']), row]))
  return fleet.devices.flatMap(({ name, sent }) => {
    const row = found.get(name)
    const counts = ['readings', 'numbers', 'newest'].map((column) => Number(row?.[column] ?? 0))
    const states = [row?.['reported'], row?.['state']].map(Number)
    return [
      ...(counts.every((value) => value === sent)
        ? []
        : [`${name}: of ${sent} readings ${counts[0]} rows, ${counts[1]} numbers, the newest ${counts[2]}`]),
      ...(states.every((value) => value === sent)
        ? []
        : [`${name}: the newest reading is ${sent}, last_report_data and device_sensors show ${states}`]),
    ]
  })
}
