import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readAclFile } from '#src/auth/acl-file.js'
import { ensureAclFile } from '#src/auth/first-acl.js'
import { startMosquitto } from '../support/mosquitto.js'
import { temporaryFolder } from '../support/temporary-folder.js'

describe('The first acl.conf', () => {
  it('opens nothing, is for its owner alone, and is one that Mosquitto takes', async () => {
    const path = join(await temporaryFolder(), 'config', 'acl.conf')
    expect(await ensureAclFile(path)).toBeUndefined()
    const { exists, anonymous, users, patterns } = await readAclFile(path)
    expect({ exists, anonymous, users: users.size, patterns }).toEqual({
      exists: true,
      anonymous: [],
      users: 0,
      patterns: [],
    })
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    await startMosquitto({ acl_file: path, allow_anonymous: 'true' })
    const before = await readFile(path, 'utf8')
    expect(await ensureAclFile(path)).toBeUndefined()
    expect(await readFile(path, 'utf8')).toBe(before)
  })

  it('has examples that are rules once their # is gone', async () => {
    const folder = await temporaryFolder()
    const path = join(folder, 'acl.conf')
    await ensureAclFile(path)
    const examples = (await readFile(path, 'utf8'))
      .split('\n')
      .slice(-12)
      .map((line) => line.slice(4))
    expect(examples.filter((line) => /^(user|topic|pattern) /.test(line))).toHaveLength(7)
  })

  it('is done without where it cannot be written', async () => {
    expect(await ensureAclFile('/proc/acl.conf')).toContain('/proc/acl.conf is absent and cannot be written')
  })
})
