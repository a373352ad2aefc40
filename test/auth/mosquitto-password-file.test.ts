import { createHash, pbkdf2Sync, randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
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

/** A hash in each format that Mosquitto 2.0 knows, which `damselfly passwd` need not be able to write. */
const hashIn = {
  $6$: (password: string, saltBytes: number): string => {
    const salt = randomBytes(saltBytes)
    const key = createHash('sha512').update(password).update(salt).digest('base64')
    return `$6$${salt.toString('base64')}$${key}`
  },
  $7$: (password: string, saltBytes: number): string => {
    const salt = randomBytes(saltBytes)
    const key = pbkdf2Sync(password, salt, 101, 64, 'sha512').toString('base64')
    return `$7$101$${salt.toString('base64')}$${key}`
  },
}

const formats = ['$6$', '$7$'] as const

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

  it.each(formats)('is read by Mosquitto with a hash in the format %s', async (format) => {
    const path = join(await temporaryFolder(), 'passwd')
    await setPassword(path, 'ann', hashIn[format]('secret', 12))
    await setPassword(path, 'bob', hashIn[format]('builder', 12))
    const mosquitto = await startMosquitto(path)
    for (const [user, password, isRight] of [
      ['ann', 'secret', true],
      ['ann', 'builder', false],
      ['bob', 'builder', true],
    ] as const) {
      expect(await mosquitto.accepts(user, password)).toBe(isRight)
      expect(await accepts(path, user, password)).toBe(isRight)
    }
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

describe('a password file of any origin', () => {
  it.each(formats)('may have the salts of Mosquitto 2.1 in the format %s', async (format) => {
    // 64 bytes, which 2.0 does not take yet.
    const path = join(await temporaryFolder(), 'passwd')
    await setPassword(path, 'ann', hashIn[format]('secret', 64))
    expect(await accepts(path, 'ann', 'secret')).toBe(true)
    expect(await accepts(path, 'ann', 'Secret')).toBe(false)
  })

  it('lets the same users in as Mosquitto, whatever lines are broken', async () => {
    const hash = hashIn.$7$('secret', 12)
    const long = 'y'.repeat(65_535)
    const lines: readonly (readonly [line: string, user: string, isIn: boolean])[] = [
      [`first:${hash}`, 'first', true],
      ['no colon', 'no colon', false],
      [hash, hash, false],
      [`:${hash}`, '', false],
      [` :${hash}`, ' ', false],
      [`:${hash}:more`, hash, false],
      ['::', ':', false],
      ['   ', '   ', false],
      [`\xff:${hash}`, 'ÿ', false],
      [`${long}z:${hash}`, 'z', false],
      [`${long}:${hash}`, long, true],
      [`#comment:${hash}`, '#comment', false],
      [' # indented without a colon', '# indented without a colon', false],
      [` #indented:${hash}`, '#indented', true],
      [` \tblanks\v: ${hash} \r`, 'blanks', true],
      [`in between:${hash}`, 'in between', true],
      [`further:${hash}:and:more`, 'further', true],
      [`twice::${hash}`, 'twice', true],
      [`:leading:${hash}`, 'leading', true],
      [`last:${hash}`, 'last', true],
    ]
    const path = join(await temporaryFolder(), 'passwd')
    await writeFile(path, lines.map(([line]) => line).join('\n'), 'latin1')
    const mosquitto = await startMosquitto(path)
    for (const [line, user, isIn] of lines) {
      const what = line.slice(0, 30)
      expect([what, await accepts(path, user, 'secret')]).toEqual([what, isIn])
      expect([what, await mosquitto.accepts(user, 'secret')]).toEqual([what, isIn])
    }
  })
})
