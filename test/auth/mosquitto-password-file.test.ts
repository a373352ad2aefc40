import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ensureAdministrator } from '#src/auth/administrator.js'
import { deleteUser, readPasswordFile, setPassword } from '#src/auth/password-file.js'
import { hashPassword } from '#src/auth/password-hash.js'
import { createPasswords } from '#src/auth/passwords.js'
import { startMosquitto } from '../support/mosquitto.js'
import { run } from '../support/run.js'
import { temporaryFolder } from '../support/temporary-folder.js'

async function mosquittoPasswd(...args: string[]): Promise<void> {
  const { code, stderr } = await run('mosquitto_passwd', args)
  // At a line that it takes for corrupt, 2.0.11 drops the rest of the file and still ends with 0.
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
}

async function accepts(path: string, user: string, password: string): Promise<boolean> {
  return createPasswords(await readPasswordFile(path)).verify(user, Buffer.from(password))
}

describe('the password file that Damselfly writes', () => {
  it('is read by Mosquitto, administrator and comments included', async () => {
    const path = join(await temporaryFolder(), 'passwd')
    const { name, madePassword } = await ensureAdministrator({
      path,
      username: undefined,
      password: undefined,
    })
    await setPassword(path, '用户', await hashPassword('密码'))
    const mosquitto = await startMosquitto(path)
    expect(await mosquitto.accepts(name ?? '', madePassword ?? '')).toBe(true)
    expect(await mosquitto.accepts('用户', '密码')).toBe(true)
    expect(await mosquitto.accepts('用户', 'wrong')).toBe(false)
    expect(mosquitto.log()).not.toMatch(/Error|Invalid|Unable/)
  })

  it('is edited by mosquitto_passwd without a loss', async () => {
    const path = join(await temporaryFolder(), 'passwd')
    const { madePassword = '' } = await ensureAdministrator({
      path,
      username: undefined,
      password: undefined,
    })
    const before = await readFile(path, 'utf8')
    await mosquittoPasswd('-b', path, 'bob', 'builder')
    await mosquittoPasswd('-b', path, 'cid', 'campeador')
    await mosquittoPasswd('-D', path, 'cid')
    expect((await readFile(path, 'utf8')).startsWith(before)).toBe(true)
    expect((await readPasswordFile(path)).administrator).toBe('admin')
    expect(await accepts(path, 'admin', madePassword)).toBe(true)
    expect(await accepts(path, 'bob', 'builder')).toBe(true)
  })

  it('makes nobody an administrator after mosquitto_passwd -U, which hashes the name in the comment too', async () => {
    const path = join(await temporaryFolder(), 'passwd')
    await ensureAdministrator({ path, username: undefined, password: undefined })
    await mosquittoPasswd('-U', path)
    expect((await readPasswordFile(path)).administrator).toBeUndefined()
  })
})

describe('the password file that mosquitto_passwd writes', () => {
  it.each(['sha512', 'sha512-pbkdf2'])('is read and edited by Damselfly (%s)', async (type) => {
    const path = join(await temporaryFolder(), 'passwd')
    await mosquittoPasswd('-H', type, '-c', '-b', path, 'ann', 'secret')
    await mosquittoPasswd('-H', type, '-b', path, 'bob', 'builder')
    expect(await accepts(path, 'ann', 'secret')).toBe(true)
    expect(await accepts(path, 'ann', 'Secret')).toBe(false)
    expect(await ensureAdministrator({ path, username: undefined, password: undefined })).toEqual({
      name: undefined,
    })
    await setPassword(path, 'ann', await hashPassword('changed'))
    await deleteUser(path, 'bob')
    const mosquitto = await startMosquitto(path)
    expect(await mosquitto.accepts('ann', 'changed')).toBe(true)
    expect(await mosquitto.accepts('ann', 'secret')).toBe(false)
    expect(await mosquitto.accepts('bob', 'builder')).toBe(false)
  })
})
