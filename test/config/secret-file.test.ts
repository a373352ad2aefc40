import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ConfigError } from '#src/config/config-error.js'
import { loadSettings } from '#src/config/load.js'
import { damselfly } from '../support/command.js'
import { temporaryFolder } from '../support/temporary-folder.js'

/** Every secret, and a value that it takes. */
const secrets = [
  ['DATABASE_URL', 'mysql://a:hunter2@host/name'],
  ['DB_PASSWORD', 'hunter2 äß#?'],
  ['REDIS_URL', 'redis://:hunter2@host:6379/0'],
  ['MQTT_PASSWORD', ' hunter2 '],
] as const

async function folderWith(files: Readonly<Record<string, string | Buffer>>): Promise<string> {
  const folder = await temporaryFolder()
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content)
  return folder
}

function failure(environment: NodeJS.ProcessEnv, folder: string): string {
  try {
    loadSettings(environment, folder)
  } catch (error) {
    if (error instanceof ConfigError) return error.message
    throw error
  }
  throw new Error('the settings were taken')
}

describe('A secret in a file', () => {
  it.each(secrets)('is the content without its last line break: %s_FILE', async (name, value) => {
    for (const lineBreak of ['', '\n', '\r\n']) {
      const folder = await folderWith({ secret: `${value}${lineBreak}`, '.env': `${name}_FILE=secret\n` })
      expect(loadSettings({ [`${name}_FILE`]: join(folder, 'secret') }, '/nonexistent')[name]).toBe(value)
      expect(loadSettings({}, folder)[name]).toBe(value)
    }
  })

  it('keeps all but one line break', async () => {
    const folder = await folderWith({ secret: '\na\nb\n\n' })
    expect(loadSettings({ MQTT_PASSWORD_FILE: 'secret' }, folder).MQTT_PASSWORD).toBe('\na\nb\n')
  })

  it.each(secrets)('is not there twice: %s', async (name, value) => {
    const folder = await folderWith({ secret: value, '.env': `${name}_FILE=secret\n` })
    const both = failure({ [name]: value }, folder)
    expect(both).toBe(
      `CONFIG_CONFLICT: ${name} (environment) and ${name}_FILE (.env) are both set; keep one of them`,
    )
  })

  it('counts as absent where its variable is empty', async () => {
    const folder = await temporaryFolder()
    expect(loadSettings({ DB_PASSWORD_FILE: '' }, folder).DB_PASSWORD).toBeUndefined()
    expect(loadSettings({ DB_PASSWORD_FILE: '', DB_PASSWORD: 'a' }, folder).DB_PASSWORD).toBe('a')
  })

  it('that cannot be read names variable, file and reason', async () => {
    const folder = await folderWith({})
    expect(failure({ DB_PASSWORD_FILE: 'absent' }, folder)).toMatch(
      /^CONFIG_FILE: DB_PASSWORD_FILE = "absent" cannot be read \(ENOENT.*absent.*\); check/,
    )
    await mkdir(join(folder, 'folder'))
    expect(failure({ REDIS_URL_FILE: 'folder' }, folder)).toMatch(
      /^CONFIG_FILE: REDIS_URL_FILE = "folder" cannot be read \(EISDIR.*\); check/,
    )
  })

  it.each([
    ['empty', '', 'is empty'],
    ['a line break alone', '\n', 'is empty'],
    ['no text', Buffer.from([0x61, 0xff]), 'is no text'],
    ['with a zero character', 'a\0b', 'is no text'],
    ['too large', 'a'.repeat(65_537), 'is no text'],
  ])('is refused: %s', async (_what, content, reason) => {
    const folder = await folderWith({ secret: content })
    const message = failure({ MQTT_PASSWORD_FILE: 'secret' }, folder)
    expect(message).toContain(`CONFIG_FILE: the file secret of MQTT_PASSWORD_FILE ${reason}`)
  })

  it('with a wrong value is named, and not shown', async () => {
    const folder = await folderWith({ secret: 'http://:hunter2@host' })
    expect(failure({ REDIS_URL_FILE: 'secret' }, folder)).toMatch(
      /^CONFIG_VALUE: REDIS_URL = \(not shown\) \(the file secret of REDIS_URL_FILE\); expected redis:/,
    )
  })

  it('is for secrets alone', async () => {
    const folder = await folderWith({ port: '1' })
    expect(loadSettings({ MQTT_PORT_FILE: 'port' }, folder).MQTT_PORT).toBe(1883)
  })

  it('is what `damselfly check` reads', async () => {
    const folder = await folderWith({ password: 'a password\n' })
    const settings = { MQTT_USERNAME: 'admin', MQTT_PASSWORD_FILE: 'password' }
    expect(await damselfly(folder, ['check'], settings)).toMatchObject({ code: 0 })
    const outcome = await damselfly(folder, ['check'], { ...settings, MQTT_PASSWORD_FILE: 'none' })
    expect(outcome).toMatchObject({ code: 1 })
    expect(outcome.stderr).toMatch(/^damselfly: CONFIG_FILE: MQTT_PASSWORD_FILE = "none" cannot be read/)
  })
})
