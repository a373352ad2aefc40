import { readFile } from 'node:fs/promises'
import type { IPublishPacket } from 'mqtt-packet'
import { expect, inject, onTestFinished, test } from 'vitest'
import { startTestBroker } from '../support/broker.js'
import { mariadbAt } from '../support/mariadb.js'
import { connectRaw } from '../support/raw-client.js'
import { mysqlDatabase } from '../support/store-databases.js'
import { dataMessages } from './data-messages.js'

/** `name=value` for each reading that an outcome names, as `device_sensors` holds it. */
function readingsOf(outcome: string): string[] {
  return outcome
    .replace(/ (status|location)=\{.*\}/, '')
    .replace(/ ?-bad-.*$/, '')
    .split(' ')
    .filter(
      (part) =>
        /^[a-z_][a-z0-9_]*=/.test(part) && !part.startsWith('status=') && !part.startsWith('location='),
    )
}

const isRejected = (outcome: string): boolean => !/^[a-z_][a-z0-9_]*=/.test(outcome)

test('each of the odd messages leaves exactly its readings in a database that the platform made', async () => {
  const database = await mysqlDatabase(mariadbAt(inject('mariadbPort')))
  await database.query(await readFile(new URL('../support/platform.sql', import.meta.url), 'utf8'))
  const store = await database.open()
  onTestFinished(async () => {
    await store.close()
    await database.remove()
  })
  const { port, tally } = await startTestBroker(store)
  const client = await connectRaw(port)
  const messages = dataMessages.map(
    ([, payload], index): IPublishPacket => ({
      cmd: 'publish',
      messageId: index + 1,
      topic: `devices/odd-${index}/data`,
      payload,
      qos: 1,
      dup: false,
      retain: false,
    }),
  )
  client.send(...messages)
  await client.count('puback', messages.length)

  const rows = await database.query(
    `SELECT d.device_id, s.sensor_name, s.sensor_value, h.value FROM device_main d
     JOIN device_sensors s ON s.device_uuid = d.uuid
     JOIN device_sensor_history h ON h.device_id = d.id AND h.sensor_name = s.sensor_name
     ORDER BY s.id`,
  )
  const number = (text: string): number => (text === 'true' ? 1 : text === 'false' ? 0 : Number(text))
  for (const [index, [name, , outcome]] of dataMessages.entries()) {
    const own = rows.filter((row) => row['device_id'] === `odd-${index}`)
    const found = own.map((row) => `${row['sensor_name']}=${row['sensor_value']}`)
    expect(found.toSorted(), name).toEqual(readingsOf(outcome).toSorted())
    for (const row of own) expect(row['value'], name).toBe(number(String(row['sensor_value'])))
  }
  const rejected = dataMessages.filter(([, , outcome]) => isRejected(outcome)).length
  expect(tally).toMatchObject({ received: messages.length, stored: messages.length - rejected })
  expect(dataMessages.length).toBeGreaterThanOrEqual(40)
})
