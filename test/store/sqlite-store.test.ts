import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import type { Worker } from 'node:worker_threads'
import { createClient } from '@libsql/client'
import { expect, test } from 'vitest'
import { openSqliteStore } from '#src/store/sqlite/open-sqlite-store.js'
import { addAnyDevice, batchOf, reading, report } from '../support/batches.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const options = { zoneOffsetMinutes: 480 }
const nowMs = Math.floor(Date.now() / 1000) * 1000

/** The path of a file that does not exist yet, nor does its folder. */
async function newPath(): Promise<string> {
  return join(await temporaryFolder(), 'data', 'damselfly.db')
}

test('The file and its folder are private to their user, for secrets are in it', async () => {
  const path = await newPath()
  const store = await openSqliteStore(path, options)
  await addAnyDevice(store)
  const modeOf = async (name: string) => (await stat(name)).mode & 0o777
  expect(await modeOf(dirname(path))).toBe(0o700)
  for (const name of [path, `${path}-wal`]) expect(await modeOf(name)).toBe(0o600)
  await store.close()
})

test('The file is in WAL mode, so that readers and the writer never wait for each other', async () => {
  const path = await newPath()
  const store = await openSqliteStore(path, options)
  const client = createClient({ url: `file:${path}` })
  expect((await client.execute('PRAGMA journal_mode')).rows[0]?.['journal_mode']).toBe('wal')
  client.close()
  await store.close()
})

test('What was stored is there after the file was closed and opened again', async () => {
  const path = await newPath()
  const first = await openSqliteStore(path, options)
  const device = await addAnyDevice(first)
  await first.write(report(device, 'light', 1, nowMs))
  const before = await first.reportDevice(device.id)
  await first.close()
  const second = await openSqliteStore(path, options)
  expect(await second.reportDevice(device.id)).toEqual(before)
  await second.close()
})

test.each([
  ['text', Buffer.from('this is no database, but it is long enough to be looked at\n'.repeat(100))],
  ['a SQLite header and rubbish', Buffer.concat([Buffer.from('SQLite format 3\0'), Buffer.alloc(8000, 255)])],
])('A file of %s is refused with its path and left as it was', async (_, content) => {
  const path = join(await temporaryFolder(), 'broken.db')
  await writeFile(path, content)
  await expect(openSqliteStore(path, options)).rejects.toMatchObject({
    code: 'STORE_REJECTED',
    message: expect.stringContaining(path),
  })
  expect((await stat(path)).size).toBe(content.length)
})

test('A folder in place of the file, and a file in place of the folder, are refused', async () => {
  const folder = await temporaryFolder()
  await writeFile(join(folder, 'file'), '')
  for (const path of [folder, join(folder, 'file', 'damselfly.db')]) {
    await expect(openSqliteStore(path, options)).rejects.toMatchObject({
      code: 'STORE_REJECTED',
      message: expect.stringContaining(path),
    })
  }
})

test('A table without columns that are needed is refused, naming them', async () => {
  const path = await newPath()
  await mkdir(dirname(path))
  const client = createClient({ url: `file:${path}` })
  await client.execute('CREATE TABLE device_main (id INTEGER PRIMARY KEY, uuid TEXT, name TEXT)')
  client.close()
  await expect(openSqliteStore(path, options)).rejects.toMatchObject({
    code: 'STORE_SCHEMA',
    message: expect.stringMatching(/device_main lacks device_id, device_secret, .*last_seen/),
  })
})

test('A second process adds devices while the first one writes', async () => {
  const path = await newPath()
  const store = await openSqliteStore(path, options)
  const device = await addAnyDevice(store)
  const program = `
    import { openSqliteStore } from '#src/store/sqlite/open-sqlite-store.js'
    const store = await openSqliteStore(${JSON.stringify(path)}, { zoneOffsetMinutes: 480 })
    for (let n = 0; n < 20; n++) {
      await store.addDevice({ uuid: 'u' + n, deviceId: 'd' + n, name: 'n', secret: 's' })
    }
    await store.close()`
  let isRunning = true
  const second = promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program]).finally(
    () => {
      isRunning = false
    },
  )
  let written = 0
  const write = async () => {
    for (; isRunning; written++) {
      await store.write(batchOf({ history: [reading(device, 'light', written, nowMs + written)] }))
    }
  }
  await Promise.all([second, write()])
  expect(await store.findDevice('d19')).toMatchObject({ uuid: 'u19' })
  const range = { deviceId: device.id, sensor: 'light', fromMs: nowMs, toMs: nowMs + 1e9, limit: 1e6 }
  expect(await store.readHistory(range)).toHaveLength(written)
  await store.close()
})

test('A file that another process keeps locked is unavailable, then writable again', async () => {
  const path = await newPath()
  const store = await openSqliteStore(path, options)
  const device = await addAnyDevice(store)
  const client = createClient({ url: `file:${path}` })
  const lock = await client.transaction('write')
  const batch = report(device, 'light', 1, nowMs)
  await expect(store.write(batch)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
  await lock.rollback()
  client.close()
  await store.write(batch)
  expect((await store.reportDevice(device.id))?.sensors).toHaveLength(1)
  await store.close()
})

test('A thread that dies rejects what is pending, and the next call starts another', async () => {
  const path = await newPath()
  const started = once(process, 'worker')
  const store = await openSqliteStore(path, options)
  const [worker]: [Worker] = await started.then(([first]) => [first])
  const device = await addAnyDevice(store)
  const history = Array.from({ length: 50_000 }, (_, index) => reading(device, 'light', 1, nowMs + index))
  const pending = [store.write(batchOf({ history })), store.ping()].map((call) =>
    expect(call).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' }),
  )
  // The calls are on their way once the microtasks are done.
  await Promise.resolve().then(() => Promise.resolve())
  await worker.terminate()
  await Promise.all(pending)
  expect(await store.findDevice(device.uuid)).toMatchObject({ id: device.id })
  await store.write(batchOf({ history: history.slice(0, 10) }))
  await store.close()
})
