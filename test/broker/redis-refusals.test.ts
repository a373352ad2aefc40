import { once } from 'node:events'
import { createServer } from 'node:http'
import { describe, expect, it, onTestFinished } from 'vitest'
import { describeRedis } from '#src/config/session-settings.js'
import { judgeRedis, parseInfo } from '#src/sessions/redis/inspect-redis.js'
import { damselfly } from '../support/command.js'
import { startRedis } from '../support/redis.js'
import { startServer } from '../support/server.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const settings = { MQTT_PORT: '0', MQTTS_PORT: 'off', WS_PORT: 'off', HTTP_PORT: 'off' }
const login = { MQTT_USERNAME: 'admin', MQTT_PASSWORD: 'x' }

/** The start and the check with a `REDIS_URL`, which both refuse. */
async function refusal(REDIS_URL: string): Promise<string> {
  const folder = await temporaryFolder()
  const start = await damselfly(folder, [], { ...settings, ...login, REDIS_URL })
  expect(start).toMatchObject({ code: 1, stderr: /^damselfly: CONFIG_VALUE: REDIS_URL.+\n$/ })
  const check = await damselfly(folder, ['check'], { REDIS_URL })
  expect(check.code).toBe(1)
  const [, text = ''] = /^damselfly: (.+)\n$/.exec(start.stderr) ?? []
  expect(check.stdout).toContain(`WRONG: ${text}`)
  expect(start.stderr + start.stdout + check.stdout).not.toContain('hidden')
  return text
}

async function startHttp(): Promise<number> {
  const server = createServer((_request, response) => void response.end()).listen(0, '127.0.0.1')
  onTestFinished(() => void server.close())
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

describe('The start and damselfly check refuse, and name without its password,', () => {
  it('a server that is no Redis', async () => {
    const port = await startHttp()
    expect(await refusal(`redis://:hidden@127.0.0.1:${port}`)).toMatch(
      new RegExp(`^CONFIG_VALUE: REDIS_URL: redis://127.0.0.1:${port} is no Redis; check its host and port`),
    )
  })

  it('a Redis that knows another password, or no such user', async () => {
    const { url } = await startRedis({ password: 'right' })
    for (const wrong of [url.replace(':right', ':hidden'), url.replace(':right', 'somebody:hidden')]) {
      expect(await refusal(wrong)).toMatch(/refuses the login; check its user and password \(.*WRONGPASS/)
    }
  })

  it('a Redis that has fewer databases', async () => {
    const { url } = await startRedis()
    expect(await refusal(`${url}/99`)).toMatch(/:\d+\/99 has no such database; its number is the last part/)
  })

  it('a Redis in cluster mode', async () => {
    const { url } = await startRedis({ settings: ['--cluster-enabled', 'yes'] })
    expect(await refusal(url)).toContain('is in cluster mode, which is not supported')
  })

  it('a replica', async () => {
    const master = await startRedis()
    const { url } = await startRedis({ settings: ['--replicaof', '127.0.0.1', `${master.port}`] })
    expect(await refusal(url)).toContain(`is a replica; name its master, 127.0.0.1:${master.port}`)
  })

  it('a user who may not write', async () => {
    const acl = ['--user', 'reads', 'on', '>hidden', '~*', '&*', '+@all', '-@scripting']
    const { port } = await startRedis({ settings: acl })
    expect(await refusal(`redis://reads:hidden@127.0.0.1:${port}`)).toMatch(
      /does not let this user write with scripts: NOPERM/,
    )
  })
})

describe('The start and damselfly check go on with, and warn of,', () => {
  it.each([
    [
      'evicts',
      ['--maxmemory', '100mb', '--maxmemory-policy', 'allkeys-lru'],
      /evicts sessions .*noeviction \(it is allkeys-lru\)/,
    ],
    ['keeps nothing', ['--appendonly', 'no'], /loses all sessions when it restarts; set appendonly yes/],
    [
      'keeps snapshots alone',
      ['--appendonly', 'no', '--save', '3600 1'],
      /loses what came since its last snapshot when it restarts; set appendonly yes/,
    ],
  ])('a Redis that %s', async (_what, redisSettings, warning) => {
    const { url } = await startRedis({ password: 'hidden', settings: redisSettings })
    const { log, folder } = await startServer({ REDIS_URL: url })
    const warnings = log.filter(({ level }) => level === 'warn').map(({ msg }) => msg)
    expect(warnings).toEqual([expect.stringMatching(warning)])
    const { code, stdout } = await damselfly(folder, ['check'], { REDIS_URL: url })
    expect(code).toBe(0)
    expect(stdout).toMatch(warning)
    expect(JSON.stringify(log) + stdout).not.toContain('hidden')
  })

  it('and say nothing of one that keeps everything', async () => {
    const { url } = await startRedis()
    const { log } = await startServer({ REDIS_URL: url })
    expect(log).toMatchObject([{ msg: 'ready' }])
  })
})

describe('What INFO says', () => {
  const judge = (info: string) => judgeRedis({ info: parseInfo(info), save: undefined })

  it.each([
    ['3.2.12', 'is version 3.2.12; 5.0 or later is needed'],
    ['4.0.14', 'is version 4.0.14; 5.0 or later is needed'],
    ['5.0.0', undefined],
    ['7.4.1', undefined],
    ['10.0.0', undefined],
  ])('of version %s decides', (version, fault) => {
    expect(judge(`# Server\r\nredis_version:${version}\r\nredis_mode:standalone\r\n`).fault).toBe(fault)
  })

  it('names a Sentinel', () => {
    expect(judge('redis_version:7.0.15\r\nredis_mode:sentinel\r\n').fault).toContain('is a Sentinel')
  })

  it('where it says nothing, is taken for well', () => {
    expect(judge('')).toEqual({ fault: undefined, warnings: [] })
  })
})

it('An address is shown without user and password', () => {
  expect(describeRedis('rediss://user:pass%20word@host:6380/2')).toBe('rediss://host:6380/2')
  expect(describeRedis('redis://host')).toBe('redis://host')
  expect(describeRedis('redis://:p/w@host')).not.toContain('w@')
})
