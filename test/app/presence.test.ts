import { setTimeout as delay } from 'node:timers/promises'
import type { IConnectPacket, IPublishPacket } from 'mqtt-packet'
import { describe, expect, inject, it, onTestFinished } from 'vitest'
import type { Device } from '#src/store/device.js'
import { addAnyDevice } from '../support/batches.js'
import { mariadbAt, startMariadb } from '../support/mariadb.js'
import { recordPresence } from '../support/presence-record.js'
import { connectRaw, type RawClient } from '../support/raw-client.js'
import { startRedis } from '../support/redis.js'
import { ADMINISTRATOR, type Server, startServer } from '../support/server.js'
import { emptyDatabase } from '../support/store-databases.js'

/** A database with some devices, and a record of who comes and goes. */
async function devicesIn(kind: 'mysql' | 'sqlite', count: number) {
  const database = await emptyDatabase(kind, inject('mariadbPort'))
  const store = await database.open()
  onTestFinished(async () => {
    await store.close()
    await database.remove()
  })
  const record = await recordPresence(kind, database.query)
  const devices: Device[] = []
  for (let added = 0; added < count; added++) devices.push(await addAnyDevice(store))
  const { address } = database
  const DATABASE_URL =
    address.kind === 'sqlite'
      ? `sqlite:${address.path}`
      : mariadbAt(inject('mariadbPort')).url(address.database)
  const nth = (index: number): Device => {
    const device = devices[index]
    if (device === undefined) throw new Error(`there are ${count} devices`)
    return device
  }
  /** Resolves when `last_seen` is later than that of the login. */
  const untilSeenAgain = async ({ id }: Device, report: () => Promise<unknown>): Promise<void> => {
    const seen = async () => (await store.reportDevice(id))?.last_seen
    const before = await seen()
    do await report()
    while ((await seen()) === before)
  }
  return { DATABASE_URL, record, nth, untilSeenAgain }
}

/** The device's own connection, as the firmware makes it. */
function connectDevice(
  server: Server,
  { uuid, deviceId, secret }: Device,
  options: Partial<IConnectPacket> = {},
): Promise<RawClient> {
  const login = { clientId: uuid, username: deviceId, password: Buffer.from(secret) }
  return connectRaw(server.port('mqtt'), { keepalive: 60, ...login, ...options })
}

const reading = ({ uuid }: Device): IPublishPacket => ({
  cmd: 'publish',
  topic: `devices/${uuid}/data`,
  payload: '{"temperature":21}',
  qos: 1,
  dup: false,
  retain: false,
})

describe.each(['mysql', 'sqlite'] as const)('With %s', (kind) => {
  it('a device is online while its own connection lasts, however that ends', async () => {
    const { DATABASE_URL, record, nth, untilSeenAgain } = await devicesIn(kind, 4)
    const server = await startServer({ DATABASE_URL })
    const clients = {
      leaves: await connectDevice(server, nth(0)),
      breaks: await connectDevice(server, nth(1)),
      falls: await connectDevice(server, nth(2), { keepalive: 1 }),
      stays: await connectDevice(server, nth(3)),
    }
    for (let index = 0; index < 4; index++) await record.until(nth(index).id, true)
    let messageId = 0
    await untilSeenAgain(nth(0), () => {
      messageId += 1
      clients.leaves.send({ ...reading(nth(0)), messageId })
      return clients.leaves.count('puback', messageId)
    })
    clients.leaves.send({ cmd: 'disconnect' })
    clients.breaks.socket.resetAndDestroy()
    for (let index = 0; index < 3; index++) await record.until(nth(index).id, false)
    await clients.falls.closed // [MQTT-3.1.2-24]
    for (let index = 0; index < 4; index++) {
      expect(await record.of(nth(index).id)).toEqual(index === 3 ? [1] : [1, 0])
    }
  })

  it('a device that comes back within the grace period never was away', async () => {
    const { DATABASE_URL, record, nth } = await devicesIn(kind, 5)
    const server = await startServer({ DATABASE_URL })
    const flaps = nth(0)
    for (const witness of [nth(1), nth(2), nth(3)]) {
      const client = await connectDevice(server, flaps)
      await record.until(flaps.id, true)
      if (witness === nth(2)) client.send({ cmd: 'disconnect' })
      else client.socket.resetAndDestroy()
      await client.closed
      await connectDevice(server, witness)
      await record.until(witness.id, true) // what was due meanwhile is written
    }
    await connectDevice(server, flaps)
    const leaves = await connectDevice(server, nth(4))
    await record.until(nth(4).id, true)
    leaves.socket.destroy()
    await record.until(nth(4).id, false)
    expect(await record.of(flaps.id)).toEqual([1])
  })

  it('a device that says offline as soon as it has connected is not brought online by its login', async () => {
    const { DATABASE_URL, record, nth } = await devicesIn(kind, 2)
    const server = await startServer({ DATABASE_URL })
    const says = await connectDevice(server, nth(0))
    const topic = `devices/${nth(0).uuid}/status`
    says.send({ ...reading(nth(0)), topic, payload: '{"status":"offline"}', messageId: 1 })
    await says.count('puback', 1)
    await connectDevice(server, nth(1))
    await record.until(nth(1).id, true) // what was due before is written
    expect((await record.of(nth(0).id)).at(-1) ?? 0).toBe(0)
  })

  it('a device behind a gateway is offline after OFFLINE_AFTER_S of silence, one that is connected is not', async () => {
    const { DATABASE_URL, record, nth } = await devicesIn(kind, 2)
    const server = await startServer({ DATABASE_URL, OFFLINE_AFTER_S: '2' })
    const [spoken, silent] = [nth(0), nth(1)]
    await connectDevice(server, silent, { keepalive: 0 })
    await record.until(silent.id, true)
    const { username, password } = ADMINISTRATOR
    const gateway = await connectRaw(server.port('mqtt'), { username, password: Buffer.from(password) })
    for (const messageId of [1, 2]) {
      gateway.send({ ...reading(spoken), messageId })
      await gateway.count('puback', messageId)
      await record.until(spoken.id, false)
    }
    expect(await record.of(spoken.id)).toEqual([1, 0, 1, 0])
    expect(await record.of(silent.id)).toEqual([1])
  })

  it('a crash leaves no device online for longer than 1.5 times its keep alive', async () => {
    const { DATABASE_URL, record, nth } = await devicesIn(kind, 3)
    const [gone, back, patient] = [nth(0), nth(1), nth(2)]
    const before = await startServer({ DATABASE_URL })
    for (const device of [gone, back]) await connectDevice(before, device, { keepalive: 8 })
    await connectDevice(before, patient, { keepalive: 600 })
    for (const { id } of [gone, back, patient]) await record.until(id, true)
    before.kill('SIGKILL')
    await before.ended
    const killedAtMs = performance.now()
    const after = await startServer({ DATABASE_URL }, before.folder)
    await connectDevice(after, back, { keepalive: 8 })
    await record.until(gone.id, false)
    expect(performance.now() - killedAtMs).toBeLessThan(15_000)
    expect(await record.of(gone.id)).toEqual([1, 0])
    for (const { id } of [back, patient]) expect(await record.of(id)).toEqual([1])
  })

  it('a stop takes those who were connected offline, and nobody else', async () => {
    const { DATABASE_URL, record, nth } = await devicesIn(kind, 1)
    const server = await startServer({ DATABASE_URL })
    await connectDevice(server, nth(0))
    await record.until(nth(0).id, true)
    server.kill('SIGTERM')
    expect(await server.ended).toBe(0)
    expect(await record.of(nth(0).id)).toEqual([1, 0])
    expect(server.log.filter(({ level }) => level === 'warn' || level === 'error')).toEqual([])
  })
})

describe('With two servers on one database and one Redis', () => {
  it('a device that moves from one to the other stays online', async () => {
    const { DATABASE_URL, record, nth } = await devicesIn('mysql', 3)
    const { url: REDIS_URL } = await startRedis()
    const [one, two] = await Promise.all([1, 2].map(() => startServer({ DATABASE_URL, REDIS_URL })))
    if (one === undefined || two === undefined) throw new Error('two were started')
    const [moves, isTakenOver, leaves] = [nth(0), nth(1), nth(2)]
    const first = await connectDevice(one, moves)
    const halfOpen = await connectDevice(one, isTakenOver)
    for (const { id } of [moves, isTakenOver]) await record.until(id, true)
    first.send({ cmd: 'disconnect' })
    await first.closed
    await connectDevice(two, moves)
    await connectDevice(two, isTakenOver)
    await halfOpen.closed // [MQTT-3.1.4-2]
    const last = await connectDevice(one, leaves)
    await record.until(leaves.id, true)
    last.socket.destroy()
    await record.until(leaves.id, false)
    for (const { id } of [moves, isTakenOver]) expect(await record.of(id)).toEqual([1])

    // And when the server that they left is killed and comes back.
    one.kill('SIGKILL')
    await one.ended
    const again = await startServer({ DATABASE_URL, REDIS_URL }, one.folder)
    const witness = await connectDevice(again, leaves)
    await record.until(leaves.id, true)
    witness.socket.destroy()
    await record.until(leaves.id, false)
    for (const { id } of [moves, isTakenOver]) expect(await record.of(id)).toEqual([1])
  }, 60_000)
})

describe('With MariaDB', () => {
  it('ten thousand devices that vanish at once cost a few statements', async () => {
    const mariadb = await startMariadb()
    onTestFinished(mariadb.stop)
    await mariadb.createDatabase('crowd')
    const server = await startServer({ DATABASE_URL: mariadb.url('crowd') })
    const query = (text: string) => mariadb.query('crowd', text)
    const COUNT = 10_000
    const names = Array.from({ length: COUNT }, (_, index) => `crowd-${index}`)
    await query(`INSERT INTO device_main (uuid, device_id, name, device_secret) VALUES
      ${names.map((name) => `('${name}', '${name}', '${name}', 'secret')`).join()}`)
    const updates = async (): Promise<number> => {
      const rows = await query(`SHOW GLOBAL STATUS WHERE Variable_name IN ('Com_update', 'Com_update_multi')`)
      return rows.reduce((sum, row) => sum + Number(row['Value']), 0)
    }
    const untilOnline = async (count: number): Promise<void> => {
      for (;;) {
        const [row] = await query('SELECT COUNT(*) AS online FROM device_main WHERE is_online = 1')
        if (Number(row?.['online']) === count) return
        await delay(100)
      }
    }
    const clients: RawClient[] = []
    const atStart = await updates()
    for (let from = 0; from < COUNT; from += 200) {
      const some = names.slice(from, from + 200)
      const connected = some.map((name) =>
        connectRaw(server.port('mqtt'), {
          clientId: name,
          username: name,
          password: Buffer.from('secret'),
        }),
      )
      clients.push(...(await Promise.all(connected)))
    }
    await untilOnline(COUNT)
    const before = await updates()
    expect(before - atStart).toBeLessThan(COUNT / 50)
    for (const { socket } of clients) socket.resetAndDestroy()
    await untilOnline(0)
    const statements = (await updates()) - before
    expect(statements).toBeGreaterThan(0)
    expect(statements).toBeLessThanOrEqual(30)
  }, 120_000)
})
