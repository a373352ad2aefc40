import { open, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { createClient } from '@libsql/client'
import { describe, expect, it } from 'vitest'
import { openSpool } from '#src/ingest/spool.js'
import { createTally } from '#src/metrics/tally.js'
import { openSqliteStore } from '#src/store/sqlite/open-sqlite-store.js'
import { addDevice } from '../support/command.js'
import { connectRaw } from '../support/raw-client.js'
import { reportOf } from '../support/reporting-device.js'
import { ADMINISTRATOR, readyz, type Server, spawnServer, startServer } from '../support/server.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const login = () => ({ username: ADMINISTRATOR.username, password: Buffer.from(ADMINISTRATOR.password) })

/** What is to be read of each file when it is lost. */
const FILES = [
  ['damselfly.db', 'devices, their state and their history'],
  ['spool.db', 'messages that were acknowledged and are not in the database yet'],
  ['state.db', 'sessions with their queued messages, retained messages and wills'],
  ['presence.db', 'which devices were connected'],
] as const

type Damage = (path: string) => Promise<void>

const rewrite =
  (change: (content: Buffer) => void): Damage =>
  async (path) => {
    const content = await readFile(path)
    change(content)
    await writeFile(path, content)
  }

async function execute(path: string, ...statements: readonly string[]): Promise<void> {
  const client = createClient({ url: pathToFileURL(path).href })
  for (const statement of [...statements, 'PRAGMA wal_checkpoint(TRUNCATE)']) await client.execute(statement)
  client.close()
}

const DAMAGES: readonly (readonly [name: string, damage: Damage, says: RegExp])[] = [
  ['garbage in its header', rewrite((content) => void content.fill(0xa5, 0, 100)), /is no SQLite database/],
  ['garbage in its middle', rewrite((content) => void content.fill(0xa5, 4096)), /is damaged/],
  ['its end cut off', async (path) => truncate(path, (await stat(path)).size - 4096), /is damaged/],
  ['its end cut off within the header', (path) => truncate(path, 50), /is damaged/],
  ['nothing in it', (path) => truncate(path, 0), /is empty/],
  ['text in it', (path) => writeFile(path, 'a letter, say\n'.repeat(999)), /is no SQLite database/],
  [
    'tables of another application',
    async (path) => {
      await rm(path)
      await execute(path, 'CREATE TABLE recipe (id INTEGER PRIMARY KEY, name TEXT)')
    },
    /has tables of another application/,
  ],
  [
    'the mark of another application',
    (path) => execute(path, 'PRAGMA application_id = 252006673'),
    /another/,
  ],
  [
    'a newer format',
    (path) => execute(path, 'PRAGMA user_version = 2'),
    /newer version of Damselfly \(format 2/,
  ],
  [
    'only its -wal left',
    async (path) => {
      await rm(path)
      await writeFile(`${path}-wal`, Buffer.alloc(9000, 1))
    },
    /is missing, but what belongs to it/,
  ],
]

/** The folder of a server that has stored a reading, has a session, and was stopped. */
async function servedFolder(): Promise<string> {
  const server = await startServer()
  const client = await connectRaw(server.port('mqtt'), { ...login(), clientId: 'a', clean: false })
  client.send(
    { cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'a', qos: 1 }] },
    reportOf('some', 1),
  )
  await client.count('puback', 1)
  await client.count('suback', 1)
  server.kill('SIGTERM')
  await server.ended
  return server.folder
}

const contentOf = (path: string) => readFile(path).then(String, () => undefined)

/** Opens a file of each of the two ways in which they are opened; resolves with what closes it. */
const OPENERS: Readonly<Record<'database' | 'state file', (path: string) => Promise<() => Promise<void>>>> = {
  database: async (path) => (await openSqliteStore(path, { zoneOffsetMinutes: 480 })).close,
  'state file': async (path) => (await openSpool(path, 1_000_000, createTally())).close,
}

describe.each(['database', 'state file'] as const)('A %s', (kind) => {
  const openFile = OPENERS[kind]

  it.each(DAMAGES)('with %s is refused, with what to do, and left as it was', async (_name, damage, says) => {
    const path = join(await temporaryFolder(), 'some.db')
    const close = await openFile(path)
    await close()
    await damage(path)
    const before = await contentOf(path)
    const refused = await openFile(path).then(() => undefined, String)
    expect(refused).toMatch(says)
    expect(refused).toContain(`STORE_REJECTED: ${path} `)
    expect(refused).toMatch(/: (restore|name another path|start that version)/)
    expect(await contentOf(path)).toEqual(before)
  })

  it('is made in one step: a crash, or a full disk, leaves a whole one or none', async () => {
    const path = join(await temporaryFolder(), 'some.db')
    const close = await openFile(path)
    await close()
    expect((await readdir(dirname(path))).filter((name) => !name.endsWith('.lock'))).toEqual(['some.db'])
    expect((await stat(path)).mode & 0o777).toBe(0o600)
  })

  it('with rubbish as its -wal loses nothing but that', async () => {
    const path = join(await temporaryFolder(), 'some.db')
    await (await openFile(path))()
    await writeFile(`${path}-wal`, Buffer.alloc(9000, 0xa5))
    await (await openFile(path))()
  })
})

describe('A start', () => {
  it.each(FILES)('with a damaged %s says which file, what it holds and what to do', async (name, holds) => {
    const folder = await servedFolder()
    const path = join(folder, 'data', name)
    const content = await readFile(path)
    await writeFile(path, content.fill(0xa5, 4096))
    const server = await spawnServer({}, folder)
    const told = await outcome(server, name)
    expect(told).toContain(`data/${name} is damaged`)
    expect(told).toContain(`it is to hold ${holds}: restore a copy`)
    expect((await readFile(path)).equals(content)).toBe(true)
  })
})

/** What the server says of the file; it goes on without the least of the four. */
async function outcome(server: Server, name: string): Promise<string> {
  if (name !== 'presence.db') {
    expect(await server.ended).toBe(1)
    return server.text()
  }
  const { error } = await server.logged(({ msg }) => msg.startsWith('cannot remember which devices'))
  await server.logged(({ msg }) => msg === 'ready')
  server.kill('SIGKILL')
  await server.ended
  return String(error)
}

describe('While the server runs', () => {
  it('a history that proves damaged is told, messages go to the spool, and /readyz says so', async () => {
    const folder = await servedFolder()
    const path = join(folder, 'data', 'damselfly.db')
    const client = createClient({ url: pathToFileURL(path).href })
    const { rows } = await client.execute(
      "SELECT rootpage FROM sqlite_schema WHERE name = 'device_sensor_history'",
    )
    client.close()
    const page = Number(rows[0]?.['rootpage'])
    await rewrite((content) => void content.fill(0xa5, (page - 1) * 4096, page * 4096))(path)

    const server = await startServer({ HTTP_PORT: '0' }, folder)
    const device = await connectRaw(server.port('mqtt'), login())
    device.send(reportOf('some', 2))
    await device.count('puback', 1)
    const { error } = await server.logged(({ msg }) => msg.startsWith('cannot write to the database'))
    expect(error).toMatch(/data\/damselfly\.db: .*SQLITE_CORRUPT.*; the file is damaged; stop the server/)
    expect(await readyz(server)).toMatchObject({ store: false })
    server.kill('SIGTERM')
    expect(await server.ended).toBe(0)
    expect(server.log.findLast(({ msg }) => msg === 'summary')).toMatchObject({
      spooled: 1,
      stored: 0,
      databaseAwaySince: expect.stringMatching(/^20/),
    })
  })

  it('every file that is overwritten is told, nothing is acknowledged, and nobody is disconnected', async () => {
    const server = await startServer({ HTTP_PORT: '0' })
    const client = await connectRaw(server.port('mqtt'), { ...login(), clean: false })
    client.send(reportOf('some', 1))
    await client.count('puback', 1)
    const device = await addDevice(server.folder)
    // Known from before, it can log in without the database.
    const knock = { username: device.deviceId, password: Buffer.from('wrong') }
    expect((await connectRaw(server.port('mqtt'), knock)).connack.returnCode).not.toBe(0)
    for (const [name] of FILES) await overwrite(join(server.folder, 'data', name))
    client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'a', qos: 1 }] })
    await connectRaw(server.port('mqtt'), { username: device.deviceId, password: Buffer.from(device.secret) })
    const other = await connectRaw(server.port('mqtt'), login())
    other.send(reportOf('some', 2))
    for (const text of [
      'cannot write to the database; messages go to the spool',
      'cannot write to the spool; nothing is acknowledged',
      'sessions cannot be saved',
      'cannot remember which devices',
    ]) {
      expect(await server.logged(({ msg }) => msg.startsWith(text)), text).toMatchObject({
        level: 'error',
        error: expect.stringMatching(/data\/\w+\.db: .*stop the server/),
      })
    }
    expect(await readyz(server)).toEqual({ listeners: true, store: false, sessions: false })
    other.send({ cmd: 'pingreq' })
    await other.count('pingresp', 1)
    expect([client, other].map(({ received }) => received.map(({ cmd }) => cmd))).toEqual([
      ['connack', 'puback'],
      ['connack', 'pingresp'],
    ])
  })
})

/** Writes over a file that is open, and what SQLite keeps beside it, without a change of their sizes. */
async function overwrite(path: string): Promise<void> {
  for (const name of [path, `${path}-wal`, `${path}-shm`]) {
    const file = await open(name, 'r+')
    await file.write(Buffer.alloc((await file.stat()).size, 0xa5))
    await file.close()
  }
}
