import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { createClient } from '@libsql/client'
import type { IPublishPacket } from 'mqtt-packet'
import { describe, expect, inject, test } from 'vitest'
import { mariadbAt } from '../support/mariadb.js'
import { connectRaw } from '../support/raw-client.js'
import { ADMINISTRATOR, type Server, startServer } from '../support/server.js'

const mariadb = mariadbAt(inject('mariadbPort'))

/** A server on an empty database of either kind, and a way to count what it stored. */
async function serve(kind: 'mysql' | 'sqlite') {
  if (kind === 'mysql') {
    const database = `test_${randomUUID().replaceAll('-', '')}`
    await mariadb.createDatabase(database)
    const settings = { DATABASE_URL: mariadb.url(database), UNKNOWN_DEVICES: 'register' }
    const server = await startServer(settings)
    return { server, settings, query: async (text: string) => mariadb.query(database, text) }
  }
  const server = await startServer()
  const url = pathToFileURL(join(server.folder, 'data', 'damselfly.db')).href
  const query = async (text: string) => {
    const client = createClient({ url })
    try {
      return (await client.execute(text)).rows
    } finally {
      client.close()
    }
  }
  return { server, settings: {}, query }
}

/** Sends `count` readings in one go and waits for their acknowledgements. */
async function burst(server: Server, device: string, count: number): Promise<void> {
  const password = Buffer.from(ADMINISTRATOR.password)
  const client = await connectRaw(server.port('mqtt'), { username: ADMINISTRATOR.username, password })
  client.send(
    ...Array.from(
      { length: count },
      (_, index): IPublishPacket => ({
        cmd: 'publish',
        messageId: index + 1,
        topic: `devices/${device}/data`,
        payload: `{"value":${index + 1}}`,
        qos: 1,
        dup: false,
        retain: false,
      }),
    ),
  )
  const acknowledged = await client.count('puback', count)
  expect(acknowledged.map(({ messageId }) => messageId)).toEqual(
    Array.from({ length: count }, (_, index) => index + 1),
  )
  client.socket.end()
}

describe.each(['mysql', 'sqlite'] as const)('with %s', (kind) => {
  test.each([
    [5000, 50],
    [100_000, 200],
  ])(
    'every one of %i acknowledged readings from %i connections at once is in the history',
    async (total, connections) => {
      const { server, settings, query } = await serve(kind)
      const each = total / connections
      const devices = Array.from({ length: connections }, (_, index) => `burst-${index}`)
      await Promise.all(devices.map((device) => burst(server, device, each)))
      server.kill('SIGKILL') // what was acknowledged is there, whatever becomes of the server
      await server.ended
      // A database that could not keep up has left some of it in the spool.
      await startServer(settings, server.folder)
      const sum = (connections * each * (each + 1)) / 2
      const stored = async () => {
        const [row] = await query(
          `SELECT COUNT(*) AS readings, COUNT(DISTINCT device_id) AS devices, SUM(value) AS sum FROM device_sensor_history`,
        )
        return Object.values(row ?? {}).map(Number)
      }
      await expect.poll(stored, { timeout: 60_000 }).toEqual([total, connections, sum])
    },
    120_000,
  )
})
