import { join } from 'node:path'
import { createConnection } from 'mysql2/promise'
import { pino } from 'pino'
import { expect, inject, onTestFinished, test } from 'vitest'
import type { DeviceMessage } from '#src/ingest/accepted.js'
import { createIngest, type Ingest } from '#src/ingest/ingest.js'
import { openSpool } from '#src/ingest/spool.js'
import { createTally, type Tally } from '#src/metrics/tally.js'
import type { Device } from '#src/store/device.js'
import { createDeviceDirectory } from '#src/store/device-directory.js'
import type { Store } from '#src/store/store.js'
import { addAnyDevice } from '../support/batches.js'
import { mariadbAt } from '../support/mariadb.js'
import { mysqlDatabase, zoneOffsetMinutes } from '../support/store-databases.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const mariadb = mariadbAt(inject('mariadbPort'))

/** A value that the database takes for none of its own. */
const REFUSED = 13

interface Bench {
  readonly store: Store
  readonly tally: Tally
  readonly ingest: Ingest
  readonly device: Device
  /** Publishes a reading of the device with its own time; resolves when it is acknowledged. */
  publish(value: number, recordedAtMs: number): Promise<void>
  /** Lets go of what keeps the replay from going on; resolves when the spool is empty. */
  release(): Promise<void>
}

/**
 * A reading of a device comes from the spool, in a transaction that stands still: another connection holds the
 * key of the history row that it writes first. So it has begun, and has not come to the device's state.
 */
async function replayThatStandsStill(
  recordedAtMs: number,
  { maxBatch = 1000, spoolBytes = 10_000_000 } = {},
): Promise<Bench> {
  const database = await mysqlDatabase(mariadb)
  onTestFinished(database.remove)
  const store = await database.open()
  onTestFinished(store.close)
  const tally = createTally()
  const spool = await openSpool(join(await temporaryFolder(), 'spool.db'), spoolBytes, tally)
  onTestFinished(spool.close)
  const [other, device] = [await addAnyDevice(store), await addAnyDevice(store)]
  if (database.address.kind !== 'mysql') throw new Error('no MariaDB')
  const locker = await createConnection(mariadb.url(database.address.database))
  onTestFinished(() => locker.destroy())
  await locker.query(`ALTER TABLE device_sensor_history ADD CONSTRAINT refuses CHECK (value <> ${REFUSED})`)
  await locker.beginTransaction()
  await locker.query(
    `INSERT INTO device_sensor_history (device_id, sensor_name, recorded_at, discriminator, value)
     VALUES (${other.id}, 'value', '2026-03-01 08:00:00.000', 0, 1)`,
  )
  await spool.append([spooled(other, 0, Date.parse('2026-03-01T00:00:00Z'))])
  await spool.append([spooled(device, 1, recordedAtMs)])
  const ingest = createIngest({
    ...{ store, spool, tally, zoneOffsetMinutes, log: pino({ level: 'silent' }) },
    deadLetters: { add: async () => true, addUnreadable: async () => true },
    directory: createDeviceDirectory(store, 10),
    ...{
      unknownDevices: 'reject',
      acknowledges: 'stored',
      flushAfterMs: 0,
      maxBatch,
      keepsHistory: true,
    },
  })
  onTestFinished(ingest.stop)
  const waiting = `SELECT ID FROM information_schema.PROCESSLIST WHERE DB = DATABASE()
    AND INFO LIKE '%INSERT INTO device_sensor_history %' AND ID <> CONNECTION_ID()`
  await expect.poll(() => database.query(waiting), { timeout: 20_000 }).toHaveLength(1)
  return {
    ...{ store, tally, ingest, device },
    publish(value, atMs) {
      const payload = Buffer.from(JSON.stringify({ value, timestamp: new Date(atMs).toISOString() }))
      const message = {
        topic: `devices/${device.uuid}/data`,
        payload,
        qos: 1,
        hold: () => undefined,
      } as const
      return new Promise((resolve) => void ingest.handle(message, resolve))
    },
    async release() {
      await locker.rollback()
      await expect.poll(() => tally.spoolMessages, { timeout: 20_000 }).toBe(0)
    },
  }
}

/** A reading as the spool of an earlier run has it. */
function spooled(device: Device, value: number, recordedAtMs: number): DeviceMessage {
  const reading = { sensor: 'value', value, unit: '', type: '', recordedAtMs, discriminator: 0 }
  return {
    device,
    receivedAtMs: recordedAtMs,
    report: { readings: [reading], isHeartbeat: false, isOnline: true },
  }
}

async function expectState({ store, device }: Bench, value: number): Promise<void> {
  const found = await store.reportDevice(device.id)
  expect(found?.last_report_data).toMatchObject({ sensors: { value: { value } } })
  expect(found?.sensors).toMatchObject([{ sensor_value: String(value) }])
}

const SECOND_MS = Date.parse('2026-03-01T00:00:10Z')

test('A live reading is not overtaken by an older one of the same second that is being replayed', async () => {
  const bench = await replayThatStandsStill(SECOND_MS + 100)
  await bench.publish(2, SECOND_MS + 900)
  await bench.release()
  await expectState(bench, 2)
})

test('A live reading of a later second goes straight to the database, and is not overtaken either', async () => {
  // Less than a second apart and just now, where a reading from a device is not weighed against what is stored.
  while (Date.now() % 1000 > 200) await new Promise((resolve) => setImmediate(resolve))
  const nowMs = Date.now()
  const bench = await replayThatStandsStill(Math.floor(nowMs / 1000) * 1000 - 1)
  await bench.publish(2, nowMs)
  expect(bench.tally).toMatchObject({ stored: 1, spooled: 0 })
  await bench.release()
  await expectState(bench, 2)
})

test('A live reading of the same second waits for room in a spool that is full', async () => {
  const bench = await replayThatStandsStill(SECOND_MS + 100, { spoolBytes: 900 })
  const acknowledged = bench.publish(2, SECOND_MS + 900)
  await expect.poll(() => bench.tally.stuckSinceMs).toBeDefined()
  expect(bench.tally).toMatchObject({ received: 1, stored: 0, spooled: 0 })
  await bench.release()
  await acknowledged
  await expect.poll(() => bench.tally.spoolMessages).toBe(0)
  await expectState(bench, 2)
})

test('A live reading that the database refuses keeps no older one out of the state', async () => {
  const bench = await replayThatStandsStill(SECOND_MS + 100, { maxBatch: 1 })
  await bench.publish(REFUSED, SECOND_MS + 900)
  await bench.release()
  await expectState(bench, 1)
})

test('A device that leaves while a message of it is being replayed is offline', async () => {
  const { ingest, store, device, release } = await replayThatStandsStill(SECOND_MS)
  const changes = [{ deviceId: device.id, isOnline: false, atMs: SECOND_MS + 5000 }]
  const written = ingest.notePresence(changes).then(() => store.setPresence(changes))
  const another = await addAnyDevice(store)
  await store.setPresence([{ deviceId: another.id, isOnline: false, atMs: SECOND_MS }]) // it takes as long
  await release()
  await written
  expect(await store.reportDevice(device.id)).toMatchObject({ is_online: false })
})
