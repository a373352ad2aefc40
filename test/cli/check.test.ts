import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { damselfly } from '../support/command.js'
import { startRedis } from '../support/redis.js'
import { startServer } from '../support/server.js'
import { temporaryFolder } from '../support/temporary-folder.js'

/** The lines of the report, by what they are about. */
function report(stdout: string): Readonly<Record<string, string>> {
  return Object.fromEntries(
    stdout.split('\n').flatMap((line) => {
      const match = /^(\w+) {2,}(.+)$/.exec(line)
      return match === null ? [] : [[match[1], match[2]]]
    }),
  )
}

describe('damselfly check', () => {
  it('exits with 0 in an empty folder, says what would run, and makes nothing but the database', async () => {
    const folder = await temporaryFolder()
    const outcome = await damselfly(folder, ['check'])
    expect(outcome).toMatchObject({ code: 0, stderr: '' })
    expect(outcome.stdout).toMatch(/\nall is well\n$/)
    expect(report(outcome.stdout)).toEqual({
      listeners: 'mqtt 1883, mqtts 8883, ws 9001, http 8080 on 0.0.0.0',
      database: 'sqlite:data/damselfly.db, 0 devices',
      sessions: 'on disk in data/state.db, 0 sessions',
      certificates: 'would be made in certs',
      passwords: 'config/passwd would be made, with an administrator',
      rules: 'config/acl.conf would be made, with nothing in it but comments',
    })
    expect(await readdir(folder)).toEqual(['data'])
  })

  it('says what is there once the server has run, and where Redis is no secret', async () => {
    const { url: REDIS_URL } = await startRedis({ password: 'hidden' })
    const { folder } = await startServer({ MQTT_USERNAME: '', MQTT_PASSWORD: '', REDIS_URL })
    const { code, stdout } = await damselfly(folder, ['check'], { REDIS_URL })
    expect(code).toBe(0)
    expect(report(stdout)).toMatchObject({
      sessions: 'in Redis',
      certificates: expect.stringMatching(/^certs\/server\.crt for .*localhost.*, until \d{4}-\d\d-\d\d/),
      passwords: 'config/passwd, 1 users, administrator admin',
      rules: 'config/acl.conf, 0 rules for 0 users, 0 patterns, 0 rules for anonymous clients',
    })
    expect(stdout).not.toContain('hidden')
  })

  it('exits with 0 for a password file with a line that is skipped, and says so', async () => {
    const folder = await temporaryFolder()
    await mkdir(join(folder, 'config'))
    await writeFile(join(folder, 'config', 'passwd'), '# a file\nhunter2\n')
    const { code, stdout } = await damselfly(folder, ['check'])
    expect(code).toBe(0)
    expect(report(stdout)).toMatchObject({
      passwords:
        'config/passwd, 0 users, administrator (none); config/passwd line 2 is skipped: it has no colon',
    })
  })

  it('exits with 1 and names everything that is wrong, not the first thing alone', async () => {
    const folder = await temporaryFolder()
    for (const name of ['config', 'certs']) await mkdir(join(folder, name))
    await writeFile(join(folder, 'config', 'passwd'), 'ann:hunter2')
    await writeFile(join(folder, 'config', 'acl.conf'), 'nonsense')
    await writeFile(join(folder, 'certs', 'server.crt'), 'nonsense')
    await writeFile(join(folder, 'certs', 'server.key'), 'nonsense')
    const off = { MQTT_PORT: 'off', MQTTS_PORT: 'off', WS_PORT: 'off' }
    const outcome = await damselfly(folder, ['check'], {
      ...off,
      DATABASE_URL: 'mysql://user:hidden@127.0.0.1:1/name',
      REDIS_URL: 'redis://:hidden@127.0.0.1:1',
    })
    expect(outcome.code).toBe(1)
    expect(outcome.stdout).toMatch(/would not start, or not work, like this\n$/)
    expect(report(outcome.stdout)).toEqual({
      listeners: expect.stringMatching(/^WRONG: .*all off/),
      database: expect.stringMatching(/^WRONG: STORE_UNAVAILABLE: .*127\.0\.0\.1/),
      sessions: expect.stringMatching(/^WRONG: REDIS_URL: redis:\/\/127.0.0.1:1 cannot be reached/),
      certificates: expect.stringMatching(/^WRONG: CERTIFICATE_FILE: .*server\.crt/),
      passwords: expect.stringMatching(/^WRONG: PASSWORD_FILE: .*passwd/),
      rules: expect.stringMatching(/^WRONG: ACL_FILE: .*acl\.conf line 1/),
    })
    expect(outcome.stdout + outcome.stderr).not.toMatch(/hidden|hunter2|\n {4}at /)
  })

  it('exits with 1 for the login that the start refuses, and for a Redis that refuses its own', async () => {
    const folder = await temporaryFolder()
    const redis = await startRedis({ password: 'right' })
    const alone = await damselfly(folder, ['check'], {
      MQTT_PASSWORD: 'hidden',
      REDIS_URL: redis.url.replace('right', 'hidden'),
    })
    expect(alone.code).toBe(1)
    const odd = { MQTT_USERNAME: '#root', MQTT_PASSWORD: 'hidden' }
    expect(report((await damselfly(folder, ['check'], odd)).stdout)).toMatchObject({
      passwords: expect.stringMatching(/^WRONG: CONFIG_VALUE: MQTT_USERNAME = "#root"/),
    })
    expect(report(alone.stdout)).toMatchObject({
      passwords: expect.stringMatching(/^WRONG: CONFIG_CONFLICT: MQTT_PASSWORD is set without MQTT_USERNAME/),
      sessions: expect.stringMatching(/^WRONG: CONFIG_VALUE: REDIS_URL: redis:\/\/127/),
    })
    const unknown = await damselfly(folder, ['check'], { MQTT_USERNAME: 'ann' })
    expect(unknown.code).toBe(1)
    expect(report(unknown.stdout)).toMatchObject({
      passwords: expect.stringMatching(/^WRONG: CONFIG_CONFLICT: MQTT_USERNAME = "ann"/),
    })
    expect(alone.stdout + unknown.stdout).not.toContain('hidden')
  })

  it('exits with 2 when it is called wrongly', async () => {
    for (const argv of [['word'], ['--all']]) {
      const outcome = await damselfly(await temporaryFolder(), ['check', ...argv])
      expect(outcome).toMatchObject({ code: 2, stdout: '' })
      expect(outcome.stderr).toMatch(/^damselfly check: .+\n$/)
    }
  })
})
