import { randomUUID } from 'node:crypto'
import { connect } from 'node:net'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { createClient } from '@libsql/client'
import { createConnection } from 'mysql2/promise'
import { describe, expect, inject, it, onTestFinished } from 'vitest'
import { mariadbAt } from '../support/mariadb.js'
import { connectRaw } from '../support/raw-client.js'
import { ADMINISTRATOR, type LogLine, type Server, spawnServer, startServer } from '../support/server.js'

const openDatabase = (server: Server) => {
  const url = pathToFileURL(join(server.folder, 'data', 'damselfly.db')).href
  const client = createClient({ url, timeout: 5000 })
  onTestFinished(() => client.close())
  return client
}

const connectAdministrator = (server: Server) =>
  connectRaw(server.port('mqtt'), { ...ADMINISTRATOR, password: Buffer.from(ADMINISTRATOR.password) })

const reading = (messageId: number, qos: 1 | 2 = 1) =>
  ({
    cmd: 'publish',
    topic: 'devices/one/data',
    payload: `{"temperature":${messageId}}`,
    messageId,
    qos,
    retain: false,
    dup: false,
  }) as const

/** Whether something listens on a port of 127.0.0.1. */
const listens = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })

const isStopping = ({ msg }: LogLine): boolean => msg.startsWith('stopping')

describe('A signal', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)(
    '%s has what was received stored and acknowledged, and the process end with 0',
    async (signal) => {
      const server = await startServer({ WS_PORT: '0', HTTP_PORT: '0', INGEST_BATCH: '10' })
      const ports = [server.port('mqtt'), server.port('ws'), server.port('http')]
      const client = await connectAdministrator(server)
      client.send(...Array.from({ length: 500 }, (_, index) => reading(index + 1)))
      await client.count('puback', 1)
      server.kill(signal)
      await client.closed
      expect(await server.ended).toBe(0)
      const acknowledged = client.received
        .filter(({ cmd }) => cmd === 'puback')
        .map(({ messageId }) => messageId)
      expect(acknowledged).toEqual(acknowledged.map((_, index) => index + 1)) // [MQTT-4.6.0-2]
      const { rows } = await openDatabase(server).execute('SELECT value FROM device_sensor_history')
      expect(rows.map(({ value }) => Number(value)).sort((a, b) => a - b)).toEqual(acknowledged)
      expect(await Promise.all(ports.map(listens))).toEqual([false, false, false])
      expect(() => process.kill(server.pid, 0)).toThrow('ESRCH')
      expect(server.log.filter(({ level }) => level !== 'info')).toEqual([])
      expect(server.log.at(-1)).toMatchObject({ msg: 'stopped' })
    },
  )

  it('ends the process within 10 s when the database hangs, and what was acknowledged is stored by the next one', async () => {
    const mariadb = mariadbAt(inject('mariadbPort'))
    const name = `test_${randomUUID().replaceAll('-', '')}`
    await mariadb.createDatabase(name)
    const server = await startServer({ DATABASE_URL: mariadb.url(name), UNKNOWN_DEVICES: 'register' })
    const client = await connectAdministrator(server)
    client.send(reading(1))
    await client.count('puback', 1)
    const lock = await createConnection(mariadb.url(name))
    onTestFinished(async () => {
      await lock.end()
      await mariadb.query('mysql', `DROP DATABASE ${name}`)
    })
    await lock.query('LOCK TABLES device_sensor_history WRITE')
    client.send(reading(2), reading(3, 2), { cmd: 'pingreq' })
    await client.count('pingresp', 1)
    const startedAt = performance.now()
    server.kill('SIGTERM')
    expect(await server.ended, server.text()).toBe(0)
    expect(performance.now() - startedAt).toBeLessThan(10_000)
    expect(client.received.map(({ cmd }) => cmd)).toEqual([
      'connack',
      'puback',
      'pingresp',
      'puback',
      'pubrec',
    ])
    await lock.query('UNLOCK TABLES')
    const next = await startServer({ DATABASE_URL: mariadb.url(name) }, server.folder)
    await next.logged(({ msg }) => msg === 'the spool is empty')
    const rows = await mariadb.query(name, 'SELECT value FROM device_sensor_history ORDER BY value')
    expect(rows.map(({ value }) => value)).toEqual([1, 2, 3])
  })

  it('that comes a second time ends the process at once', async () => {
    const server = await startServer()
    const client = await connectAdministrator(server)
    client.send(reading(1))
    await client.count('puback', 1)
    await openDatabase(server).transaction('write')
    client.send(reading(2), { cmd: 'pingreq' })
    await client.count('pingresp', 1)
    server.kill('SIGTERM')
    await server.logged(isStopping)
    server.kill('SIGINT')
    expect(await server.ended).toBe('SIGINT') // a shell calls it 130
    expect(server.log.at(-1)).toMatchObject({ level: 'warn', signal: 'SIGINT' })
  })

  it('ends a server that waits for its database with 0', async () => {
    const server = await spawnServer({ DATABASE_URL: 'mysql://user:hidden@127.0.0.1:1/name' })
    await server.logged(({ msg }) => msg.startsWith('the database cannot be reached'))
    server.kill('SIGTERM')
    expect(await server.ended).toBe(0)
    expect(server.text()).toBe('')
    expect(JSON.stringify(server.log)).not.toContain('hidden')
  })
})
