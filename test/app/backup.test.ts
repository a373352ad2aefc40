import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { createClient } from '@libsql/client'
import type { MqttClient } from 'mqtt'
import { describe, expect, it } from 'vitest'
import { damselfly } from '../support/command.js'
import { run } from '../support/run.js'
import { type Server, startServer } from '../support/server.js'
import { comingTo, connectTo, messages } from '../support/server-clients.js'
import { temporaryFolder } from '../support/temporary-folder.js'

/** Publishes readings 1, 2, 3 … of one device until it is told to stop. */
function startReadings(client: MqttClient) {
  let [sent, acknowledged, isStopped] = [0, 0, false]
  const publishNext = (): void => {
    if (isStopped) return
    sent += 1
    const number = sent
    client.publish('devices/one/data', `{"light":${number}}`, { qos: 1 }, (error) => {
      if (error != null) return // the server was killed
      acknowledged = Math.max(acknowledged, number)
      publishNext()
    })
  }
  for (let waiting = 0; waiting < 50; waiting += 1) publishNext()
  return {
    /** All readings up to this one are acknowledged: answers come in order. */
    acknowledged: () => acknowledged,
    stop() {
      isStopped = true
    },
  }
}

/** The values of the device's history. */
async function history(folder: string): Promise<ReadonlySet<number>> {
  const client = createClient({ url: pathToFileURL(join(folder, 'data', 'damselfly.db')).href })
  try {
    const { rows } = await client.execute('SELECT value FROM device_sensor_history')
    return new Set(rows.map((row) => Number(row['value'])))
  } finally {
    client.close()
  }
}

/** Leaves a session with a message in its queue, and two retained messages. */
async function leaveState(server: Server): Promise<void> {
  const away = await connectTo(server, { clientId: 'away', clean: false })
  await away.subscribeAsync('queue', { qos: 1 })
  await away.endAsync()
  const publisher = await connectTo(server)
  await publisher.publishAsync('queue', 'waited', { qos: 1 })
  await publisher.publishAsync('kept/one', '1', { qos: 1, retain: true })
  await publisher.publishAsync('kept/two', '2', { qos: 2, retain: true })
  await publisher.endAsync()
}

async function stopped(server: Server): Promise<void> {
  server.kill('SIGTERM')
  await server.ended
}

describe('damselfly backup', () => {
  it('under load holds all that was acknowledged before it began, sessions and retained messages', async () => {
    const server = await startServer()
    await leaveState(server)
    const client = await connectTo(server)
    const readings = startReadings(client)
    await expect.poll(readings.acknowledged, { timeout: 20_000 }).toBeGreaterThan(500)
    const before = readings.acknowledged()
    const file = join(await temporaryFolder(), 'backup.tar.gz')
    const outcome = await damselfly(server.folder, ['backup', file])
    expect(outcome).toMatchObject({ code: 0, stderr: '' })
    const after = readings.acknowledged()
    expect(after).toBeGreaterThan(before) // the server went on meanwhile
    readings.stop()
    server.kill('SIGKILL')
    await server.ended

    const folder = await temporaryFolder()
    expect(await damselfly(folder, ['restore', file])).toMatchObject({ code: 0, stderr: '' })
    const second = await startServer({}, folder)
    const kept = await connectTo(second)
    const retained = messages(kept, 2)
    await kept.subscribeAsync('kept/#')
    expect((await retained).sort()).toEqual(['1', '2'])
    const away = comingTo(second, { clientId: 'away', clean: false })
    expect(await messages(away, 1)).toEqual(['waited'])
    await stopped(second)
    const found = await history(folder)
    const missing = Array.from({ length: before }, (_, index) => index + 1).filter((one) => !found.has(one))
    expect(missing).toEqual([])
    expect(await history(server.folder)).toContain(after)
  }, 90_000)

  it('holds what waits in the spool, which goes to the database of the restored server', async () => {
    const server = await startServer()
    const client = await connectTo(server)
    await client.publishAsync('devices/one/data', '{"light":1}', { qos: 1 })
    const lock = createClient({
      url: pathToFileURL(join(server.folder, 'data', 'damselfly.db')).href,
      timeout: 20_000,
    })
    const transaction = await lock.transaction('write')
    await client.publishAsync('devices/one/data', '{"light":2}', { qos: 1 }) // acknowledged from the spool
    const file = join(server.folder, 'backup.tar.gz')
    expect(await damselfly(server.folder, ['backup', file])).toMatchObject({ code: 0, stderr: '' })
    transaction.close()
    lock.close()
    const folder = await temporaryFolder()
    expect(await damselfly(folder, ['restore', file])).toMatchObject({ code: 0, stderr: '' })
    expect(await history(folder)).toEqual(new Set([1]))
    const second = await startServer({}, folder)
    await expect.poll(() => history(folder), { timeout: 20_000 }).toEqual(new Set([1, 2]))
    await stopped(second)
  }, 90_000)

  it('leaves out nothing that a server keeps, and is for its owner alone', async () => {
    const server = await startServer()
    await leaveState(server)
    const file = join(server.folder, 'backup.tar.gz')
    for (const name of ['rejected.ndjson', 'rejected.1.ndjson']) {
      await writeFile(join(server.folder, 'data', name), `{"name":"${name}"}\n`)
    }
    expect(await damselfly(server.folder, ['backup', file])).toMatchObject({ code: 0, stderr: '' })
    const { stdout } = await run('tar', ['-tzf', file])
    const kept = (await readdir(join(server.folder, 'data'))).filter(
      (name) => !/(\.lock|-wal|-shm|-journal)$/.test(name),
    )
    expect(stdout.split('\n').filter(Boolean).sort()).toEqual(kept.sort())
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    expect(await readdir(server.folder)).toEqual(
      expect.not.arrayContaining([expect.stringContaining('damselfly-backup')]),
    )
  })

  it('goes on to work on the files of a server that stands still, and of an embedded database elsewhere', async () => {
    const elsewhere = { DATABASE_URL: 'sqlite:other/place.db' }
    const server = await startServer(elsewhere)
    await leaveState(server)
    await stopped(server)
    const file = join(server.folder, 'backup.tar.gz')
    expect(await damselfly(server.folder, ['backup', file], elsewhere)).toMatchObject({ code: 0, stderr: '' })
    const folder = await temporaryFolder()
    expect(await damselfly(folder, ['restore', file], elsewhere)).toMatchObject({ code: 0, stderr: '' })
    expect(existsSync(join(folder, 'other', 'place.db'))).toBe(true)
    const second = await startServer(elsewhere, folder)
    const away = comingTo(second, { clientId: 'away', clean: false })
    expect(await messages(away, 1)).toEqual(['waited'])
  })

  it('refuses a file that exists, a folder that is not there, and a DATA_DIR without anything', async () => {
    const folder = await temporaryFolder()
    const file = join(folder, 'backup.tar.gz')
    const empty = await damselfly(folder, ['backup', file])
    expect(empty).toMatchObject({
      code: 1,
      stderr: 'damselfly backup: data holds nothing that a server keeps\n',
    })
    await writeFile(file, 'mine')
    expect(await damselfly(folder, ['backup', file])).toMatchObject({ code: 1 })
    expect(await readFile(file, 'utf8')).toBe('mine')
    await stopped(await startServer({}, folder))
    const nowhere = await damselfly(folder, ['backup', join(folder, 'none', 'backup.tar.gz')])
    expect(nowhere.code).toBe(1)
    expect(nowhere.stderr).toMatch(/^damselfly backup: ENOENT.*none/)
    for (const argv of [[], ['a', 'b'], ['--all']]) {
      expect(await damselfly(folder, ['backup', ...argv])).toMatchObject({ code: 2 })
      expect(await damselfly(folder, ['restore', ...argv])).toMatchObject({ code: 2 })
    }
  })
})

describe('damselfly restore', () => {
  it('is refused while a server uses DATA_DIR, and into one that holds anything', async () => {
    const server = await startServer()
    const file = join(server.folder, 'backup.tar.gz')
    await damselfly(server.folder, ['backup', file])
    const used = await damselfly(server.folder, ['restore', file])
    expect(used.code).toBe(1)
    expect(used.stderr).toMatch(/^damselfly restore: a server uses data \(.*in use by another server/)
    await stopped(server)
    const full = await damselfly(server.folder, ['restore', file])
    expect(full.code).toBe(1)
    expect(full.stderr).toMatch(/data\/damselfly\.db .*data\/state\.db .*is there; move it away/)
    await rm(join(server.folder, 'data'), { recursive: true })
    expect(await damselfly(server.folder, ['restore', file])).toMatchObject({ code: 0 })
    await stopped(await startServer({}, server.folder))
  })

  it('takes nothing but a whole backup, made with a database of the same place', async () => {
    const server = await startServer()
    const file = join(server.folder, 'backup.tar.gz')
    await damselfly(server.folder, ['backup', file])
    const folder = await temporaryFolder()
    const path = (name: string): string => join(folder, name)
    const content = await readFile(file)
    await writeFile(path('cut-off'), content.subarray(0, content.length / 2))
    await writeFile(path('text'), 'this is no archive')
    await mkdir(path('a'))
    await writeFile(path('a/passwd'), '')
    await symlink('/etc/passwd', path('a/damselfly.db'))
    await run('tar', ['-czf', path('foreign'), '-C', path('a'), 'passwd', 'damselfly.db'])
    await run('tar', ['-czf', path('link'), '-C', path('a'), 'damselfly.db'])
    await run('tar', ['-czPf', path('outside'), '-C', path('a'), '../a/passwd', 'damselfly.db'])
    for (const name of ['none', 'cut-off', 'text', 'foreign', 'link', 'outside']) {
      const outcome = await damselfly(folder, ['restore', path(name)])
      expect(outcome, name).toMatchObject({ code: 1, stdout: '' })
      expect(outcome.stderr).toMatch(/^damselfly restore: /)
    }
    const mysql = { DATABASE_URL: 'mysql://a:b@127.0.0.1/c' }
    const other = await damselfly(folder, ['restore', file], mysql)
    expect(other.stderr).toContain('was made with a database that is embedded')
    const left = (await readdir(path('data'))).filter((name) => !name.endsWith('.lock'))
    expect(left).toEqual([])
    expect(await damselfly(folder, ['restore', file])).toMatchObject({ code: 0 })
  })
})
