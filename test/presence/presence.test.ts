import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { createTally } from '#src/metrics/tally.js'
import { createPresence, type PresenceParts } from '#src/presence/presence.js'
import { openPresenceMemory } from '#src/presence/presence-memory.js'
import { formatDateTime } from '#src/store/date-time.js'
import type { Store } from '#src/store/store.js'
import { StoreError } from '#src/store/store-error.js'
import { addAnyDevice, batchOf, seen } from '../support/batches.js'
import { type PresenceRecord, recordPresence } from '../support/presence-record.js'
import { createSignal } from '../support/signal.js'
import { emptyDatabase, type TestDatabase, zoneOffsetMinutes } from '../support/store-databases.js'
import { asLeftBehind, temporaryFolder } from '../support/temporary-folder.js'

const SECOND_MS = 1000
const OFFLINE_AFTER_MS = 300 * SECOND_MS
const KEEP_ALIVE_MS = 90 * SECOND_MS

let database: TestDatabase
let store: Store
let record: PresenceRecord
beforeAll(async () => {
  database = await emptyDatabase('sqlite', 0)
  store = await database.open()
  record = await recordPresence('sqlite', database.query)
})
afterAll(async () => {
  await store.close()
  await database.remove()
})

/** A clock that stands until it is told to go on; it is behind, so that no time is one of the future. */
function createClock() {
  let nowMs = Math.floor(Date.now() / SECOND_MS) * SECOND_MS - 86_400_000
  return {
    now: () => nowMs,
    pass(timeMs: number) {
      nowMs += timeMs
    },
  }
}

type Clock = ReturnType<typeof createClock>

/** A connection that sent its last bytes when it was last told to. */
function connectionAt(clock: Clock, silenceLimitMs = KEEP_ALIVE_MS) {
  let activeMs = clock.now()
  return {
    silenceLimitMs,
    lastActiveMs: () => activeMs,
    send() {
      activeMs = clock.now()
    },
  }
}

async function start(parts: Partial<PresenceParts> & { folder?: string } = {}) {
  const clock = createClock()
  const lines: Record<string, unknown>[] = []
  const log = pino({ base: null }, { write: (line: string) => void lines.push(JSON.parse(line)) })
  const tally = createTally()
  const memory = await openPresenceMemory(parts.folder ?? (await temporaryFolder()), log)
  onTestFinished(() => memory.close())
  const presence = createPresence({
    store,
    messagesSettled: () => Promise.resolve(),
    memory,
    offlineAfterMs: OFFLINE_AFTER_MS,
    isShared: false,
    tally,
    log,
    clock,
    ...parts,
  })
  const tickAfter = async (timeMs: number): Promise<void> => {
    clock.pass(timeMs)
    await presence.tick()
  }
  return { presence, clock, tickAfter, tally, lines, memory }
}

const lastSeenOf = async (id: number) => (await store.reportDevice(id))?.last_seen
const dateTime = (timeMs: number): string => formatDateTime(timeMs, zoneOffsetMinutes)

describe('A device with a connection of its own', () => {
  it('is online and seen from its login, and offline 5 s after the end', async () => {
    const { presence, clock, tickAfter, tally } = await start()
    const { id } = await addAnyDevice(store)
    const end = presence.begin(id, connectionAt(clock))
    const begunAtMs = clock.now()
    await tickAfter(SECOND_MS)
    expect(await record.of(id)).toEqual([1])
    expect(await lastSeenOf(id)).toBe(dateTime(begunAtMs))
    expect(tally.devicesConnected).toBe(1)
    end()
    await tickAfter(4999)
    expect(await record.of(id)).toEqual([1])
    await tickAfter(1)
    expect(await record.of(id)).toEqual([1, 0])
    expect(await lastSeenOf(id)).toBe(dateTime(begunAtMs))
    expect(tally.devicesConnected).toBe(0)
    expect(Object.fromEntries(tally.wentOffline)).toEqual({ disconnected: 1 })
  })

  it('that comes back within 5 s was never away', async () => {
    const { presence, clock, tickAfter } = await start()
    const { id } = await addAnyDevice(store)
    let end = presence.begin(id, connectionAt(clock))
    for (let times = 0; times < 5; times++) {
      await tickAfter(SECOND_MS)
      end()
      await tickAfter(4999)
      end = presence.begin(id, connectionAt(clock))
    }
    await tickAfter(10 * SECOND_MS)
    expect(await record.of(id)).toEqual([1])
  })

  it('is online as long as one of several is open', async () => {
    const { presence, clock, tickAfter, tally } = await start()
    const { id } = await addAnyDevice(store)
    const ends = [presence.begin(id, connectionAt(clock)), presence.begin(id, connectionAt(clock))]
    await tickAfter(SECOND_MS)
    ends[0]?.()
    ends[0]?.() // twice is once
    await tickAfter(6 * SECOND_MS)
    expect(await record.of(id)).toEqual([1])
    expect(tally.devicesConnected).toBe(1)
    ends[1]?.()
    await tickAfter(6 * SECOND_MS)
    expect(await record.of(id)).toEqual([1, 0])
  })

  it('is online again soon when the will of the connection before said offline', async () => {
    const { presence, clock, tickAfter } = await start()
    const { id } = await addAnyDevice(store)
    const end = presence.begin(id, connectionAt(clock))
    await tickAfter(SECOND_MS)
    presence.begin(id, connectionAt(clock))
    await tickAfter(SECOND_MS)
    end()
    await store.write(batchOf({ devices: [{ deviceId: id, seenAtMs: clock.now(), isOnline: false }] }))
    await tickAfter(SECOND_MS)
    await tickAfter(SECOND_MS)
    expect(await record.of(id)).toEqual([1, 0, 1])
  })

  it('stays online when it was seen elsewhere since it last sent something', async () => {
    const { presence, clock, tickAfter } = await start()
    const device = await addAnyDevice(store)
    const end = presence.begin(device.id, connectionAt(clock))
    await tickAfter(KEEP_ALIVE_MS)
    end() // half open: its keep alive ran out
    await store.write(batchOf({ devices: [seen(device, clock.now() - SECOND_MS)] }))
    await tickAfter(6 * SECOND_MS)
    expect(await record.of(device.id)).toEqual([1])
  })

  it('is offline although its last message, or its will, came in a later second than its last bytes', async () => {
    const { presence, clock, tickAfter } = await start()
    const device = await addAnyDevice(store)
    const connection = connectionAt(clock)
    const end = presence.begin(device.id, connection)
    await tickAfter(20 * SECOND_MS)
    end()
    await tickAfter(2 * SECOND_MS)
    connection.send()
    await store.write(batchOf({ devices: [seen(device, clock.now())] }))
    await tickAfter(3 * SECOND_MS)
    expect(await record.of(device.id)).toEqual([1, 0])
  })

  it('is seen again and again while it is silent, so that no other instance takes it for gone', async () => {
    const { presence, clock, tickAfter } = await start()
    const [silent, sends] = [await addAnyDevice(store), await addAnyDevice(store)]
    presence.begin(silent.id, connectionAt(clock, 0))
    const connection = connectionAt(clock)
    presence.begin(sends.id, connection)
    await tickAfter(SECOND_MS)
    connection.send()
    const sentAtMs = clock.now()
    await tickAfter(OFFLINE_AFTER_MS / 3)
    expect(await lastSeenOf(silent.id)).toBe(dateTime(clock.now()))
    expect(await lastSeenOf(sends.id)).toBe(dateTime(sentAtMs))
    for (let times = 0; times < 10; times++) {
      await tickAfter(OFFLINE_AFTER_MS / 3)
      expect(await store.findSilent(clock.now() - OFFLINE_AFTER_MS)).not.toContain(silent.id)
    }
    expect(await record.of(silent.id)).toEqual([1])
  })

  it('that moves here is confirmed, as the instance that it left may take it offline in the same second', async () => {
    const { presence, clock, tickAfter } = await start({ isShared: true })
    const { id } = await addAnyDevice(store)
    presence.begin(id, connectionAt(clock))
    const begunAtMs = clock.now()
    await tickAfter(SECOND_MS)
    await store.setPresence([{ deviceId: id, isOnline: false, atMs: begunAtMs }])
    await tickAfter(SECOND_MS)
    await store.setPresence([{ deviceId: id, isOnline: false, atMs: begunAtMs }])
    expect(await record.of(id)).toEqual([1, 0, 1])
  })
})

describe('A device that others speak for', () => {
  it('is offline after OFFLINE_AFTER_S of silence, and a connected one is not', async () => {
    const { presence, clock, tickAfter, tally } = await start()
    const [silent, spoken, connected] = [
      await addAnyDevice(store),
      await addAnyDevice(store),
      await addAnyDevice(store),
    ]
    presence.begin(connected.id, connectionAt(clock))
    const old = clock.now() - OFFLINE_AFTER_MS
    await store.write(
      batchOf({ devices: [seen(silent, old), seen(spoken, old + 8 * SECOND_MS), seen(connected, old)] }),
    )
    await tickAfter(SECOND_MS)
    await database.query(`UPDATE device_main SET last_seen = NULL WHERE id = ${connected.id}`)
    await tickAfter(3999)
    expect(await record.of(silent.id)).toEqual([1]) // whom the start cut off has had no time to come back
    await tickAfter(1)
    expect(await record.of(silent.id)).toEqual([1, 0])
    expect(await record.of(spoken.id)).toEqual([1])
    await tickAfter(60 * SECOND_MS)
    expect(await record.of(spoken.id)).toEqual([1, 0])
    expect(await record.of(connected.id)).toEqual([1])
    expect(tally.wentOffline.get('silent')).toBe(2)
  })
})

describe('After a crash', () => {
  /** A run with these devices that ends without a word 10 s later; returns what the next one is made with. */
  async function crashed(connections: readonly { id: number; silenceLimitMs: number }[]) {
    const folder = await temporaryFolder()
    const before = await start({ folder })
    for (const { id, silenceLimitMs } of connections) {
      before.presence.begin(id, connectionAt(before.clock, silenceLimitMs))
    }
    await before.tickAfter(SECOND_MS)
    await before.tickAfter(9 * SECOND_MS)
    const after = await start({ folder: await asLeftBehind(folder), clock: before.clock })
    return { ...after, tickAfter: tickOf(after.presence, before.clock), clock: before.clock }
  }
  const tickOf = (presence: { tick(): Promise<void> }, clock: Clock) => async (timeMs: number) => {
    clock.pass(timeMs)
    await presence.tick()
  }

  it('who does not come back within 1.5 times its keep alive is offline, and who does never was', async () => {
    const [gone, back, patient] = [
      await addAnyDevice(store),
      await addAnyDevice(store),
      await addAnyDevice(store),
    ]
    const { presence, clock, tickAfter, tally, memory } = await crashed([
      { id: gone.id, silenceLimitMs: KEEP_ALIVE_MS },
      { id: back.id, silenceLimitMs: KEEP_ALIVE_MS },
      { id: patient.id, silenceLimitMs: 0 },
    ])
    expect([...memory.left]).toEqual([
      [gone.id, KEEP_ALIVE_MS],
      [back.id, KEEP_ALIVE_MS],
      [patient.id, OFFLINE_AFTER_MS],
    ])
    await tickAfter(KEEP_ALIVE_MS - 1)
    presence.begin(back.id, connectionAt(clock))
    expect(await record.of(gone.id)).toEqual([1])
    await tickAfter(1)
    expect(await record.of(gone.id)).toEqual([1, 0])
    expect(tally.wentOffline.get('crash')).toBe(1)
    await tickAfter(OFFLINE_AFTER_MS - KEEP_ALIVE_MS)
    expect(await record.of(patient.id)).toEqual([1, 0])
    expect(await record.of(back.id)).toEqual([1])
  })

  it('the time counts from when the server was last alive, not from its start', async () => {
    const { id } = await addAnyDevice(store)
    const folder = await temporaryFolder()
    const before = await start({ folder })
    before.presence.begin(id, connectionAt(before.clock))
    await before.tickAfter(SECOND_MS)
    before.clock.pass(KEEP_ALIVE_MS)
    const after = await start({ folder: await asLeftBehind(folder), clock: before.clock })
    await after.presence.tick()
    expect(await record.of(id)).toEqual([1, 0])
  })

  it('with other instances, who was seen since by one of them stays online', async () => {
    const [moved, gone] = [await addAnyDevice(store), await addAnyDevice(store)]
    const folder = await temporaryFolder()
    const before = await start({ folder, isShared: true })
    for (const { id } of [moved, gone]) before.presence.begin(id, connectionAt(before.clock))
    await before.tickAfter(2 * SECOND_MS)
    await before.tickAfter(SECOND_MS)
    await store.setPresence([
      { deviceId: moved.id, isOnline: true, atMs: before.clock.now() + 2 * SECOND_MS },
    ])
    before.clock.pass(KEEP_ALIVE_MS)
    const after = await start({ folder: await asLeftBehind(folder), clock: before.clock, isShared: true })
    await after.presence.tick()
    expect(await record.of(moved.id)).toEqual([1])
    expect(await record.of(gone.id)).toEqual([1, 0])
  })

  it('who is offline by now is judged no more', async () => {
    const { id } = await addAnyDevice(store)
    const folder = await temporaryFolder()
    const before = await start({ folder })
    const end = before.presence.begin(id, connectionAt(before.clock))
    await before.tickAfter(SECOND_MS)
    end()
    await before.tickAfter(5 * SECOND_MS)
    await before.tickAfter(SECOND_MS)
    expect((await start({ folder: await asLeftBehind(folder) })).memory.left.size).toBe(0)
  })

  it('and without a folder to remember in, presence goes on', async () => {
    const folder = await temporaryFolder()
    await mkdir(join(folder, 'presence.db'))
    const { presence, clock, tickAfter, lines } = await start({ folder })
    const { id } = await addAnyDevice(store)
    presence.begin(id, connectionAt(clock))
    await tickAfter(SECOND_MS)
    expect(await record.of(id)).toEqual([1])
    expect(lines).toMatchObject([{ level: 40, msg: /^cannot remember/ }])
  })
})

describe('A stop', () => {
  it('takes everyone offline at once, and leaves nothing behind', async () => {
    const folder = await temporaryFolder()
    const { presence, clock, tickAfter, memory, tally } = await start({ folder })
    const [connected, ended, other] = [
      await addAnyDevice(store),
      await addAnyDevice(store),
      await addAnyDevice(store),
    ]
    presence.begin(connected.id, connectionAt(clock))
    const end = presence.begin(ended.id, connectionAt(clock))
    await store.write(batchOf({ devices: [seen(other, clock.now())] }))
    await tickAfter(SECOND_MS)
    end()
    await presence.stop()
    for (const { id } of [connected, ended]) expect(await record.of(id)).toEqual([1, 0])
    expect(await record.of(other.id)).toEqual([1])
    expect(tally.wentOffline.get('server stopped')).toBe(2)
    await memory.close()
    expect((await start({ folder: await asLeftBehind(folder) })).memory.left.size).toBe(0)
  })

  it('while the database is away leaves it to the next start', async () => {
    const folder = await temporaryFolder()
    const { presence, clock, tickAfter, memory } = await start({ folder })
    const { id } = await addAnyDevice(store)
    presence.begin(id, connectionAt(clock))
    await tickAfter(SECOND_MS)
    const left = await asLeftBehind(folder)
    const away = await start({ folder: left, clock, store: awayStore() })
    away.presence.begin(id, connectionAt(clock))
    await expect(away.presence.stop()).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    await Promise.all([memory.close(), away.memory.close()])
    expect([...(await start({ folder: left })).memory.left.keys()]).toEqual([id])
  })
})

/** The store, away until `comeBack`. */
function awayStore() {
  let isAway = true
  const calls: number[] = []
  const unlessAway = async <T>(work: () => Promise<T>): Promise<T> => {
    if (isAway) throw new StoreError('STORE_UNAVAILABLE', 'away')
    return work()
  }
  return {
    calls,
    comeBack() {
      isAway = false
    },
    findSilent: (beforeMs: number) => unlessAway(() => store.findSilent(beforeMs)),
    setPresence: (changes: Parameters<Store['setPresence']>[0]) => {
      calls.push(changes.length)
      return unlessAway(() => store.setPresence(changes))
    },
  }
}

describe('While the database is away', () => {
  it('the latest of each device is kept, said once a minute, and written when it is back', async () => {
    const away = awayStore()
    const { presence, clock, tickAfter, lines } = await start({ store: away })
    const [stays, leaves] = [await addAnyDevice(store), await addAnyDevice(store)]
    presence.begin(stays.id, connectionAt(clock))
    presence.begin(leaves.id, connectionAt(clock))()
    for (let seconds = 0; seconds < 20; seconds++) await tickAfter(SECOND_MS)
    expect(lines).toMatchObject([{ level: 40, msg: /^cannot write who is online/ }])
    away.comeBack()
    away.calls.length = 0
    await tickAfter(SECOND_MS)
    expect(away.calls).toEqual([2])
    expect(await record.of(stays.id)).toEqual([1])
    expect(await record.of(leaves.id)).toEqual([])
  })

  it('nobody is taken for silent before the others have said that they are there', async () => {
    const away = awayStore()
    const { tickAfter, clock } = await start({ store: away })
    const device = await addAnyDevice(store)
    await store.write(batchOf({ devices: [seen(device, clock.now())] }))
    await tickAfter(OFFLINE_AFTER_MS + SECOND_MS)
    away.comeBack()
    await tickAfter(4999)
    expect(await record.of(device.id)).toEqual([1])
    await tickAfter(1)
    expect(await record.of(device.id)).toEqual([1, 0])
  })
})

describe('What is written', () => {
  it('comes after the messages that were taken before; who comes back meanwhile was never away', async () => {
    let settled = Promise.resolve()
    let asked = createSignal()
    const messagesSettled = () => {
      asked.give()
      return settled
    }
    const { presence, clock, tickAfter } = await start({ messagesSettled })
    const [gone, back] = [await addAnyDevice(store), await addAnyDevice(store)]
    const ends = [gone, back].map(({ id }) => presence.begin(id, connectionAt(clock)))
    await tickAfter(SECOND_MS)
    for (const end of ends) end()
    const { given, give } = createSignal()
    settled = given
    asked = createSignal()
    const ticked = tickAfter(5 * SECOND_MS)
    await asked.given
    await store.ping() // which is done after whatever was asked of the store
    expect(await record.of(gone.id)).toEqual([1])
    presence.begin(back.id, connectionAt(clock))
    give()
    await ticked
    await tickAfter(SECOND_MS)
    expect(await record.of(gone.id)).toEqual([1, 0])
    expect(await record.of(back.id)).toEqual([1])
  })

  it('is not taken for what has come since', async () => {
    let comeBack = (): void => undefined
    const slow = {
      findSilent: store.findSilent,
      setPresence: (changes: Parameters<Store['setPresence']>[0]) => {
        comeBack()
        return store.setPresence(changes)
      },
    }
    const { presence, clock, tickAfter } = await start({ store: slow })
    const { id } = await addAnyDevice(store)
    const end = presence.begin(id, connectionAt(clock))
    await tickAfter(SECOND_MS)
    end()
    comeBack = () => {
      comeBack = () => undefined
      presence.begin(id, connectionAt(clock))
    }
    await tickAfter(5 * SECOND_MS)
    await tickAfter(SECOND_MS)
    expect(await record.of(id)).toEqual([1, 0, 1])
  })

  it('takes one statement for a thousand devices', async () => {
    const sizes: number[] = []
    const counting = {
      findSilent: store.findSilent,
      setPresence: (changes: readonly { isOnline: boolean }[]) => {
        sizes.push(changes.length)
        return Promise.resolve()
      },
    }
    const { presence, clock, tickAfter } = await start({ store: counting })
    const ends = Array.from({ length: 2500 }, (_, index) => presence.begin(index, connectionAt(clock)))
    await tickAfter(SECOND_MS)
    for (const end of ends) end()
    await tickAfter(5 * SECOND_MS)
    expect(sizes.slice(0, 6)).toEqual([1000, 1000, 500, 1000, 1000, 500])
  })

  it('and refused for one device is written for the others', async () => {
    const { presence, clock, tickAfter, lines } = await start()
    const devices = await Promise.all(Array.from({ length: 9 }, () => addAnyDevice(store)))
    const [refused] = devices
    await database.query(`CREATE TRIGGER refuse BEFORE UPDATE ON device_main WHEN old.id = ${refused?.id} BEGIN
      SELECT RAISE(ABORT, 'not this one'); END`)
    for (const { id } of devices) presence.begin(id, connectionAt(clock))
    await tickAfter(SECOND_MS)
    await database.query('DROP TRIGGER refuse')
    for (const device of devices) expect(await record.of(device.id)).toEqual(device === refused ? [] : [1])
    expect(lines).toMatchObject([{ level: 40, deviceId: refused?.id, msg: /refused the presence/ }])
  })
})
