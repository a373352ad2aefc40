import { chmod } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { createClient } from '@libsql/client'
import { expect, test } from 'vitest'
import { belongsToAnother, fileDisk, memoryDisk } from '../support/disk.js'
import { leftByCrash } from '../support/left-by-crash.js'
import { connectRaw } from '../support/raw-client.js'
import { reportOf } from '../support/reporting-device.js'
import { ADMINISTRATOR, readyz, spawnServer, startServer } from '../support/server.js'

const login = () => ({ username: ADMINISTRATOR.username, password: Buffer.from(ADMINISTRATOR.password) })

test('a disk that fails and turns read-only: nothing more is acknowledged, it is told, and a stop ends with 0', async () => {
  const disk = await fileDisk(16)
  const server = await startServer({ HTTP_PORT: '0' }, dirname(disk.path), disk.command)
  const device = await connectRaw(server.port('mqtt'), { ...login(), clean: false })
  device.send(reportOf('some', 1))
  await device.count('puback', 1)
  await disk.fail()
  device.send(reportOf('some', 2), { cmd: 'pingreq' })
  for (const text of ['cannot write to the database', 'cannot write to the spool; nothing is acknowledged']) {
    const { error } = await server.logged(({ msg }) => msg.startsWith(text))
    expect(error).toMatch(
      /data\/\w+\.db: .*; (the disk fails or turned read-only|make file and folder writable)/,
    )
  }
  await device.count('pingresp', 1)
  expect(await readyz(server)).toMatchObject({ store: false })
  server.kill('SIGTERM')
  expect(await server.ended).toBe(0)
  expect(device.received.filter(({ cmd }) => cmd === 'puback')).toHaveLength(1)
  const client = createClient({
    url: pathToFileURL(join(await leftByCrash(disk.outside), 'damselfly.db')).href,
  })
  const { rows } = await client.execute('SELECT value FROM device_sensor_history')
  client.close()
  expect(rows.map(({ value }) => value)).toEqual([1])
}, 60_000)

test.each([['with files of before'], ['that is empty']])(
  'a start on a read-only disk %s says which file and why',
  async (how) => {
    const disk = await memoryDisk(4)
    const folder = dirname(disk.path)
    if (how !== 'that is empty') {
      const first = await startServer({}, folder, disk.command)
      first.kill('SIGTERM')
      await first.ended
    }
    await disk.run('mount', '-o', 'remount,ro', disk.path)
    const server = await spawnServer({}, folder, disk.command)
    expect(await server.ended).toBe(1)
    expect(server.text()).toMatch(/^damselfly: STORE_REJECTED: data\/\w+\.db cannot be opened: .*; \w.*$/m)
    expect(server.text()).toMatch(/read-?only/i)
  },
)

test('a start on a DATA_DIR that belongs to someone else says which file and what to do', async () => {
  const first = await startServer()
  first.kill('SIGTERM')
  await first.ended
  const data = join(first.folder, 'data')
  for (const name of ['damselfly', 'spool', 'state', 'presence']) await chmod(join(data, `${name}.db`), 0o444)
  const before = await belongsToAnother(data)
  const server = await spawnServer({}, first.folder, before)
  expect(await server.ended).toBe(1)
  expect(server.text()).toMatch(
    /^damselfly: STORE_REJECTED: data\/\w+\.db cannot be opened: .*; make file and folder \w+ for this user$/m,
  )
})
