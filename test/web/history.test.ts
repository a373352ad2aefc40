import { randomUUID } from 'node:crypto'
import { describe, expect, inject, it, onTestFinished } from 'vitest'
import { folderWithUsers } from '../support/config-folder.js'
import { ask, basic } from '../support/http-api.js'
import { mariadbAt } from '../support/mariadb.js'
import { type Server, startServer } from '../support/server.js'
import { connectTo } from '../support/server-clients.js'

const HOUR_MS = 3_600_000

/** A device that is registered with it keeps it as its uuid. */
const KITCHEN = '5a1f6e0c-3a0b-4b52-9d5e-0c8f6b7f2a11'

/** Not so long ago that it would be pruned. */
const startMs = Math.floor(Date.now() / HOUR_MS - 48) * HOUR_MS

const iso = (timeMs: number): string => new Date(timeMs).toISOString()

/** The settings for a database of either kind, which ends with the test. */
async function databaseOf(kind: 'MariaDB' | 'SQLite'): Promise<Readonly<Record<string, string>>> {
  if (kind === 'SQLite') return {}
  const mariadb = mariadbAt(inject('mariadbPort'))
  const name = `test_${randomUUID().replaceAll('-', '')}`
  await mariadb.createDatabase(name)
  onTestFinished(async () => void (await mariadb.query('mysql', `DROP DATABASE ${name}`)))
  return { DATABASE_URL: mariadb.url(name), UNKNOWN_DEVICES: 'register' }
}

/** A server whose device `KITCHEN` has reported these values, one a minute. */
async function serverWith(kind: 'MariaDB' | 'SQLite', values: readonly number[]): Promise<Server> {
  const acl = `user ann\ntopic read devices/other/data\nuser bob\ntopic read devices/${KITCHEN}/data\n`
  const folder = await folderWithUsers({ ann: 'ann', bob: 'bob' }, acl)
  const server = await startServer({ HTTP_PORT: '0', ...(await databaseOf(kind)) }, folder)
  const client = await connectTo(server)
  for (const [minute, value] of values.entries()) {
    const timestamp = iso(startMs + minute * 60_000)
    const payload = JSON.stringify({ sensors: [{ sensor_name: 'temperature', value, timestamp }] })
    await client.publishAsync(`devices/${KITCHEN}/data`, payload, { qos: 1 })
  }
  return server
}

const PATH = `/api/devices/${KITCHEN}/sensors/temperature/history`

describe.each(['MariaDB', 'SQLite'] as const)(
  'GET /api/devices/NAME/sensors/SENSOR/history on %s',
  (kind) => {
    it('sums up a range in no more buckets than asked for', async () => {
      const server = await serverWith(kind, [20, 22, 24, -5, 10.5])
      const range = `from=${iso(startMs)}&to=${iso(startMs + 6 * 60_000)}`
      const { status, body } = await ask(server, `${PATH}?${range}&points=3`)
      expect([status, body]).toEqual([
        200,
        {
          device: KITCHEN,
          sensor: 'temperature',
          from: iso(startMs),
          to: iso(startMs + 6 * 60_000),
          bucketMs: 120_000,
          points: [
            { at: iso(startMs), count: 2, min: 20, max: 22, mean: 21 },
            { at: iso(startMs + 120_000), count: 2, min: -5, max: 24, mean: 9.5 },
            { at: iso(startMs + 240_000), count: 1, min: 10.5, max: 10.5, mean: 10.5 },
          ],
        },
      ])
      const epoch = `from=${startMs}&to=${startMs + 6 * 60_000}`
      expect((await ask(server, `${PATH}?${epoch}&points=3`)).body).toEqual(body)
      const eastern = `from=${iso(startMs + 8 * HOUR_MS).replace('Z', '+08:00')}&to=${startMs + 60_000}`
      expect((await ask(server, `${PATH}?${eastern}`)).body['points']).toHaveLength(1)
      expect((await ask(server, PATH)).body['points']).toEqual([])
      expect((await ask(server, PATH.replace('temperature', 'nothing'))).body['points']).toEqual([])
    })
  },
)

describe('GET /api/devices/NAME/sensors/SENSOR/history', () => {
  it('answers whoever may receive the data of the device, and no other', async () => {
    const server = await serverWith('SQLite', [1])
    expect((await ask(server, PATH, basic('bob', 'bob'))).status).toBe(200)
    expect((await ask(server, PATH, basic('ann', 'ann'))).status).toBe(403)
    expect((await ask(server, PATH.replace(KITCHEN, 'nobody'), basic('ann', 'ann'))).status).toBe(403)
    expect((await ask(server, PATH.replace(KITCHEN, 'other'), basic('ann', 'ann'))).status).toBe(404)
    expect((await ask(server, PATH, '')).status).toBe(401)
  })

  it('answers 400 to a range or a number of points that is wrong, and says what is expected', async () => {
    const server = await serverWith('SQLite', [])
    const wrong = [
      ['points=0', 'query parameter points must be >= 1'],
      ['points=1001', 'query parameter points must be <= 1000'],
      ['from=2026-01-02T00:00:00Z&to=2026-01-02T00:00:00Z', 'query parameter from must be a time before to'],
      [
        'from=2025-01-01T00:00Z&to=2026-02-01T00:00Z',
        'query parameter from must be at most 366 days before to',
      ],
      ...[
        'yesterday',
        '2026-01-01',
        '2026-01-01T00:00:00',
        '1700000000',
        '2026-99-01T00:00:00Z',
        '-1',
        '',
      ].map((from) => [
        `from=${from}`,
        expect.stringMatching(/^query parameter from must be a time with its zone, /),
      ]),
      ['until=1', 'query parameter until is unknown'],
    ] as const
    for (const [query, error] of wrong) {
      expect(await ask(server, `${PATH}?${query}`), String(query)).toEqual({ status: 400, body: { error } })
    }
    const sensor = await ask(server, PATH.replace('temperature', 'No!'))
    expect(sensor.status).toBe(400)
    expect(sensor.body['error']).toMatch(/^path parameter sensor must match pattern /)
  })
})
