import { join } from 'node:path'
import { pino } from 'pino'
import { expect, onTestFinished, test } from 'vitest'
import type { DeviceMessage } from '#src/ingest/accepted.js'
import { createAvailability } from '#src/ingest/availability.js'
import { createIngest, type Ingest, type IngestOptions } from '#src/ingest/ingest.js'
import { createPresenceMarks } from '#src/ingest/presence-marks.js'
import { startReplay } from '#src/ingest/replay.js'
import { openSpool, type Spool } from '#src/ingest/spool.js'
import { createTally, type Tally } from '#src/metrics/tally.js'
import type { Batch } from '#src/store/batch.js'
import type { Device } from '#src/store/device.js'
import { createDeviceDirectory } from '#src/store/device-directory.js'
import type { Store } from '#src/store/store.js'
import { StoreError } from '#src/store/store-error.js'
import { addAnyDevice } from '../support/batches.js'
import { createSignal } from '../support/signal.js'
import { emptyDatabase } from '../support/store-databases.js'
import { temporaryFolder } from '../support/temporary-folder.js'

type Write = Store['write']

interface Bench {
  readonly store: Store
  readonly spool: Spool
  readonly tally: Tally
  readonly rejected: { readonly message: DeviceMessage; readonly reason: string }[]
  readonly devices: readonly [Device, Device]
  query(text: string): Promise<readonly Readonly<Record<string, unknown>>[]>
  /** Starts ingest on a store that writes as `write` says. */
  start(write: (batch: Batch, toStore: Write) => Promise<void>, options?: Partial<IngestOptions>): Ingest
}

/** A SQLite store with two devices, and a spool. */
async function bench(): Promise<Bench> {
  const database = await emptyDatabase('sqlite', 0)
  const store = await database.open()
  const tally = createTally()
  const spool = await openSpool(join(await temporaryFolder(), 'spool.db'), 10_000_000, tally)
  const rejected: { message: DeviceMessage; reason: string }[] = []
  const devices = [await addAnyDevice(store), await addAnyDevice(store)] as const
  const started: Ingest[] = []
  onTestFinished(async () => {
    for (const ingest of started) ingest.stop()
    await spool.close()
    await store.close()
    await database.remove()
  })
  return {
    store,
    spool,
    tally,
    rejected,
    devices,
    query: database.query,
    start(write, options = {}) {
      const ingest = createIngest({
        store: { ...store, write: (batch) => write(batch, store.write) },
        spool,
        deadLetters: {
          add: async (message, reason) => rejected.push({ message, reason }) > 0,
          addUnreadable: async () => true,
        },
        directory: createDeviceDirectory(store, 10),
        tally,
        log: pino({ level: 'silent' }),
        zoneOffsetMinutes: 480,
        unknownDevices: 'reject',
        acknowledges: 'stored',
        flushAfterMs: 0,
        maxBatch: 1000,
        keepsHistory: true,
        ...options,
      })
      started.push(ingest)
      return ingest
    },
  }
}

/** Hands a reading to ingest; resolves when it is acknowledged. */
function publish(ingest: Ingest, device: Device, value: number, qos: 0 | 1 = 1): Promise<void> {
  const payload = Buffer.from(JSON.stringify({ value }))
  const message = { topic: `devices/${device.uuid}/data`, payload, qos, hold: () => undefined }
  return new Promise((resolve) => {
    ingest.handle(message, resolve)
  })
}

/** A reading as the spool of an earlier run has it. */
function spooled(device: Device, value: number, receivedAtMs: number): DeviceMessage {
  const reading = {
    sensor: 'value',
    value,
    unit: '',
    type: '',
    recordedAtMs: receivedAtMs,
    discriminator: value,
  }
  return { device, receivedAtMs, report: { readings: [reading], isHeartbeat: false, isOnline: true } }
}

const away = () => new StoreError('STORE_UNAVAILABLE', 'away for this test')
const has = (batch: Batch, value: number): boolean => batch.history.some((row) => row.value === value)
const HISTORY = 'SELECT value FROM device_sensor_history ORDER BY value'

/** Resolves when the tally is as wished; it is looked at after each of the store's and the spool's answers. */
async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setImmediate(resolve))
}

test('live messages are stored while older ones are still on their way from the spool', async () => {
  const { start, spool, tally, devices, query } = await bench()
  const [old, live] = devices
  for (let value = 1; value <= 3; value++)
    await spool.append([spooled(old, value, 1_700_000_000_000 + value)])
  const begun = createSignal()
  const released = createSignal()
  const ingest = start(
    async (batch, toStore) => {
      if (has(batch, 2)) {
        begun.give()
        await released.given
      }
      await toStore(batch)
    },
    { maxBatch: 1 },
  )
  await begun.given
  for (let value = 101; value <= 120; value++) await publish(ingest, live, value)
  expect(tally).toMatchObject({ stored: 20, spooled: 0, replayed: 1, spoolMessages: 2 })
  released.give()
  await until(() => tally.spoolMessages === 0)
  expect(tally).toMatchObject({
    stored: 20,
    spooled: 0,
    replayed: 3,
    spoolBytes: 0,
    spoolOldestMs: undefined,
  })
  expect(await query(HISTORY)).toHaveLength(23)
})

test('the spool rests while live messages wait for long, and has its turn all the same', async () => {
  const { store, spool, tally, devices } = await bench()
  await spool.append([spooled(devices[0], 1, 1_700_000_000_000)])
  await spool.append([spooled(devices[0], 2, 1_700_000_000_001)])
  const log = pino({ level: 'silent' })
  const looks: string[] = []
  let waitMs = 5000
  const replay = startReplay({
    store: {
      ...store,
      async write(batch) {
        looks.push('write')
        waitMs = 0
        await store.write(batch)
      },
    },
    spool,
    availability: {
      ...createAvailability(log, '', tally),
      takeLongestWaitMs() {
        looks.push('look')
        return waitMs
      },
    },
    marks: createPresenceMarks(),
    deadLetters: { add: async () => true, addUnreadable: async () => true },
    keepsHistory: true,
    maxBatch: 1,
    tally,
    log,
  })
  onTestFinished(replay.stop)
  await until(() => tally.spoolMessages === 0)
  const patiently = Array.from({ length: 10 }, () => 'look')
  expect(looks.slice(0, 13)).toEqual([...patiently, 'write', 'look', 'write'])
})

test('a reading from the spool is not put before a live one of the same second', async () => {
  const { start, spool, tally, devices, query } = await bench()
  const [first, second] = devices
  const secondMs = 1_700_000_000_000
  await spool.append([spooled(first, 1, secondMs)])
  await spool.append([spooled(second, 2, secondMs + 100)])
  const begun = createSignal()
  const released = createSignal()
  const ingest = start(
    async (batch, toStore) => {
      if (has(batch, 1)) {
        begun.give()
        await released.given
      }
      await toStore(batch)
    },
    { maxBatch: 1 },
  )
  await begun.given
  const time = new Date(secondMs + 900).toISOString()
  await new Promise<void>((resolve) => {
    const payload = Buffer.from(JSON.stringify({ value: 3, timestamp: time }))
    ingest.handle({ topic: `devices/${second.uuid}/data`, payload, qos: 1, hold: () => undefined }, resolve)
  })
  released.give()
  await until(() => tally.spoolMessages === 0)
  const rows = await query(`SELECT sensor_value FROM device_sensors WHERE device_uuid = '${second.uuid}'`)
  expect(rows).toEqual([{ sensor_value: '3' }])
  expect((await query(HISTORY)).map(({ value }) => value)).toEqual([1, 2, 3])
})

test('a failure that passes is no reason for the spool', async () => {
  const { start, tally, devices } = await bench()
  let failures = 0
  const ingest = start(async (batch, toStore) => {
    failures += 1
    if (failures <= 2) throw away()
    await toStore(batch)
  })
  await publish(ingest, devices[0], 1)
  expect(tally).toMatchObject({ stored: 1, spooled: 0 })
})

test('while the store is away, batches go straight to the spool after the first, and to the store in their order', async () => {
  const { start, tally, devices, query } = await bench()
  let isAway = true
  const written: number[] = []
  const ingest = start(async (batch, toStore) => {
    if (isAway) throw away()
    written.push(...batch.history.map(({ value }) => value))
    await toStore(batch)
  })
  for (let value = 1; value <= 10; value++) await publish(ingest, devices[value % 2 === 0 ? 0 : 1], value)
  expect(tally).toMatchObject({ received: 10, stored: 0, spooled: 10, spoolMessages: 10 })
  isAway = false
  await until(() => tally.spoolMessages === 0)
  expect(written).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  await publish(ingest, devices[0], 11)
  expect(tally).toMatchObject({ received: 11, stored: 1, spooled: 10, replayed: 10 })
  expect(await query(HISTORY)).toHaveLength(11)
})

test('a write that hangs is left to itself, no other is begun beside it, and it may still commit', async () => {
  const { start, tally, devices, query } = await bench()
  const released = createSignal()
  let writes = 0
  const ingest = start(async (batch, toStore) => {
    writes += 1
    await released.given
    await toStore(batch)
  })
  for (let value = 1; value <= 10; value++) await publish(ingest, devices[0], value)
  expect({ writes, spooled: tally.spooled }).toEqual({ writes: 1, spooled: 10 })
  released.give()
  await until(() => tally.spoolMessages === 0)
  expect((await query(HISTORY)).map(({ value }) => value)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
})

test('nor where the spool has no room for others, which wait', async () => {
  const { start, spool, tally, devices, query } = await bench()
  const released = createSignal()
  let writes = 0
  let refusals = 0
  const small: Spool = {
    ...spool,
    async append(messages) {
      if (tally.spoolMessages === 0) return spool.append(messages)
      refusals += 1
      return false
    },
  }
  const ingest = start(
    async (batch, toStore) => {
      writes += 1
      await released.given
      await toStore(batch)
    },
    { spool: small },
  )
  await publish(ingest, devices[0], 1)
  const second = publish(ingest, devices[1], 2)
  await until(() => refusals === 4)
  expect({ writes, spooled: tally.spooled }).toEqual({ writes: 1, spooled: 1 })
  released.give()
  await second
  await until(() => tally.spoolMessages === 0)
  expect((await query(HISTORY)).map(({ value }) => value)).toEqual([1, 2])
})

test('a message that always ends the connection is set aside when others are stored meanwhile', async () => {
  const { start, spool, tally, rejected, devices, query } = await bench()
  await spool.append(
    Array.from({ length: 20 }, (_, index) => spooled(devices[0], index, 1_700_000_000_000 + index)),
  )
  const ingest = start(async (batch, toStore) => {
    if (has(batch, 13)) throw away()
    await toStore(batch)
  })
  for (let value = 101; tally.spoolMessages > 0; value++) await publish(ingest, devices[1], value)
  expect(rejected).toMatchObject([{ message: { receivedAtMs: 1_700_000_000_013 } }])
  expect(tally).toMatchObject({ replayed: 19 + tally.spooled, replayRefused: 1 })
  expect(await query(`${HISTORY.replace('ORDER', 'WHERE value < 100 ORDER')}`)).toHaveLength(19)
}, 60_000)

test('a refused message is found in a batch from the spool, and the others are stored', async () => {
  const { start, spool, tally, rejected, devices, query } = await bench()
  await spool.append(
    Array.from({ length: 100 }, (_, index) => spooled(devices[0], index, 1_700_000_000_000 + index)),
  )
  start(async (batch, toStore) => {
    if (has(batch, 13) || has(batch, 77)) throw new StoreError('STORE_REJECTED', 'refused for this test')
    await toStore(batch)
  })
  await until(() => tally.spoolMessages === 0)
  expect(rejected.map(({ message }) => message.receivedAtMs % 1000)).toEqual([13, 77])
  expect(rejected[0]?.reason).toContain('refused for this test')
  expect(tally).toMatchObject({ replayed: 98, replayRefused: 2 })
  expect(await query(HISTORY)).toHaveLength(98)
})

test('a refused message stays in the spool until it is kept elsewhere', async () => {
  const { start, spool, tally, devices } = await bench()
  await spool.append([spooled(devices[0], 13, Date.now())])
  let attempts = 0
  start(
    async () => {
      throw new StoreError('STORE_REJECTED', 'refused for this test')
    },
    {
      deadLetters: {
        addUnreadable: async () => true,
        async add() {
          attempts += 1
          if (attempts === 2) expect(tally).toMatchObject({ spoolMessages: 1, replayRefused: 0 })
          return attempts === 2
        },
      },
    },
  )
  await until(() => tally.spoolMessages === 0)
  expect(attempts).toBe(2)
  expect(tally.replayRefused).toBe(1)
})

test('a disk that refuses: nothing is acknowledged until database or disk take it', async () => {
  const { start, spool, tally, devices } = await bench()
  let isAway = true
  let isFull = true
  const full: Spool = {
    ...spool,
    append: async (messages) => {
      if (isFull) throw away()
      return spool.append(messages)
    },
  }
  let attempts = 0
  const attempted = createSignal()
  const ingest = start(
    async (batch, toStore) => {
      attempts += 1
      if (tally.spooled === 0 && attempts > 8) attempted.give()
      if (isAway) throw away()
      await toStore(batch)
    },
    { spool: full },
  )
  const acknowledged = publish(ingest, devices[0], 1)
  await attempted.given
  expect(tally).toMatchObject({ stored: 0, spooled: 0 })
  isFull = false
  await acknowledged
  expect(tally).toMatchObject({ stored: 0, spooled: 1 })
  isFull = true
  const second = publish(ingest, devices[0], 2)
  isAway = false
  await second
  expect(tally).toMatchObject({ stored: 1, spooled: 1 })
  await until(() => tally.replayed === 1)
})

test('in a hurry the spool comes first', async () => {
  const { start, tally, devices } = await bench()
  const ingest = start((batch, toStore) => toStore(batch))
  ingest.hurry()
  await publish(ingest, devices[0], 1)
  expect(tally).toMatchObject({ stored: 0, spooled: 1 })
})
