import { pathToFileURL } from 'node:url'
import { createClient } from '@libsql/client'
import { describe, expect, it } from 'vitest'
import { type AddedDevice, addDevice, damselfly } from '../support/command.js'
import { connectRaw, type RawClient } from '../support/raw-client.js'
import { startServer } from '../support/server.js'

async function disable(folder: string, { uuid }: AddedDevice): Promise<void> {
  const database = createClient({ url: pathToFileURL(`${folder}/data/damselfly.db`).href, timeout: 5000 })
  try {
    await database.execute({ sql: 'UPDATE device_main SET is_active = 0 WHERE uuid = ?', args: [uuid] })
  } finally {
    database.close()
  }
}

describe('A connected device', () => {
  it('that is rotated, removed or disabled is disconnected within a minute, and no other is', async () => {
    const server = await startServer()
    const add = () => addDevice(server.folder)
    const [rotated, removed, disabled, other] = [await add(), await add(), await add(), await add()]
    const logIn = ({ uuid, secret }: AddedDevice): Promise<RawClient> =>
      connectRaw(server.port('mqtt'), { clientId: uuid, username: uuid, password: Buffer.from(secret) })
    const clients = await Promise.all([rotated, removed, disabled].map(logIn))
    const stays = await logIn(other)
    for (const { connack } of [...clients, stays]) expect(connack.returnCode).toBe(0)
    const [rotation] = await Promise.all([
      damselfly(server.folder, ['device', 'rotate', rotated.uuid]),
      damselfly(server.folder, ['device', 'remove', removed.uuid]),
      disable(server.folder, disabled),
    ])
    await Promise.all(clients.map(({ closed }) => closed))
    for (const device of [rotated, removed, disabled]) {
      expect((await logIn(device)).connack.returnCode).toBe(5)
    }
    const secret = /secret +(\S+)/.exec(rotation.stdout)?.[1] ?? ''
    expect((await logIn({ ...rotated, secret })).connack.returnCode).toBe(0)
    stays.send({ cmd: 'pingreq' })
    await stays.count('pingresp', 1)
    const line = await server.logged(({ fault }) => fault === 'its login has ended')
    expect(JSON.stringify(line)).not.toContain(secret)
  }, 60_000)
})
