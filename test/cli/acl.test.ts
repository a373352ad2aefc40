import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { addDevice, damselfly } from '../support/command.js'
import { run } from '../support/run.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const RULES = `# who may do what
topic read news/#
user ann
topic readwrite rooms/#
topic deny rooms/secret
pattern write users/%u/%c
`

/** A folder with these rules, and the user `ann`. */
async function folderWithRules(): Promise<string> {
  const folder = await temporaryFolder()
  await mkdir(join(folder, 'config'))
  await writeFile(join(folder, 'config', 'acl.conf'), RULES)
  await run('mosquitto_passwd', ['-c', '-b', join(folder, 'config', 'passwd'), 'ann', 'password'])
  return folder
}

describe('damselfly acl test', () => {
  it.each([
    ['ann c read rooms/1', 'allow: config/acl.conf line 4: topic readwrite rooms/#'],
    ['ann c write rooms/1', 'allow: config/acl.conf line 4: topic readwrite rooms/#'],
    ['ann c read rooms/secret', 'deny: config/acl.conf line 5: topic deny rooms/secret'],
    ['ann c write users/ann/c', 'allow: config/acl.conf line 6: pattern write users/%u/%c'],
    ['ann d write users/ann/c', 'deny: no rule allows it'],
    ['ann c read news/today', 'deny: no rule allows it'],
    [
      'ann c# write users/ann/c',
      'deny: config/acl.conf: no pattern applies to a user name or client id with + or #',
    ],
    ['ann c write $SYS/x', 'deny: nobody may publish below $SYS'],
    ['bob c write users/bob/c', 'allow: config/acl.conf line 6: pattern write users/%u/%c'],
  ])('%s: %s', async (words, expected) => {
    const outcome = await damselfly(await folderWithRules(), ['acl', 'test', ...words.split(' ')])
    expect(outcome).toMatchObject({ code: 0, stderr: '' })
    expect(outcome.stdout.split('\n')[0]).toBe(expected)
  })

  it('takes an empty user name for an anonymous client, and says whether those are let in', async () => {
    const folder = await folderWithRules()
    const words = ['acl', 'test', '', 'c', 'read', 'news/today']
    const { stdout } = await damselfly(folder, words)
    expect(stdout).toBe(
      'allow: config/acl.conf line 2: topic read news/#\n' +
        '(anonymous clients are not let in: ALLOW_ANONYMOUS is off)\n',
    )
    expect((await damselfly(folder, words, { ALLOW_ANONYMOUS: 'true' })).stdout).toContain(
      '(anonymous clients are let in)',
    )
  })

  it('knows devices by their built-in rules, and the administrator', async () => {
    const folder = await folderWithRules()
    const { uuid, deviceId } = await addDevice(folder)
    const decide = async (user: string, ...words: readonly string[]): Promise<string> =>
      (await damselfly(folder, ['acl', 'test', user, 'c', ...words], { MQTT_USERNAME: 'root' })).stdout
    for (const name of [uuid, deviceId]) {
      expect(await decide(name, 'write', `devices/${uuid}/data`)).toBe(
        `allow: a device's own topics\n(${name} is a device)\n`,
      )
      expect(await decide(name, 'write', 'devices/another/data')).toMatch(/^deny: no rule allows it\n/)
    }
    expect(await decide('root', 'write', 'anything')).toMatch(/^allow: the administrator may do everything\n/)
    expect(await decide('nobody', 'read', 'x')).toContain('neither a user of the password file nor a device')
  })

  it.each([
    [['acl'], 'no action'],
    [['acl', 'show'], 'unknown action "show"'],
    [['acl', 'test', 'ann', 'c', 'read'], 'test needs USER CLIENT_ID read|write TOPIC'],
    [['acl', 'test', 'ann', 'c', 'read', 'a', 'b'], '"b" is one word too many'],
    [['acl', 'test', 'ann', 'c', 'subscribe', 'a'], '"subscribe" is neither read nor write'],
    [['acl', 'test', 'ann', 'c', 'read', 'a/#'], '"a/#" is no topic name'],
  ])('%j is called wrongly: %s', async (words, message) => {
    const outcome = await damselfly(await temporaryFolder(), words)
    expect(outcome).toMatchObject({ code: 2, stdout: '' })
    expect(outcome.stderr).toContain(message)
  })

  it('says which line of a broken file is wrong, and exits with 1', async () => {
    const folder = await temporaryFolder()
    await mkdir(join(folder, 'config'))
    await writeFile(join(folder, 'config', 'acl.conf'), 'topic read a\ntopic reed b\n')
    const outcome = await damselfly(folder, ['acl', 'test', 'ann', 'c', 'read', 'a'])
    expect(outcome.code).toBe(1)
    expect(outcome.stderr).toContain('config/acl.conf line 2: "reed" is not read, write, readwrite or deny')
  })
})
