import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ensureAdministrator } from '#src/auth/administrator.js'
import { readPasswordFile, setPassword } from '#src/auth/password-file.js'
import { hashPassword, verifyPassword } from '#src/auth/password-hash.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const unset = { username: undefined, password: undefined }

async function newPath(): Promise<string> {
  return join(await temporaryFolder(), 'config', 'passwd')
}

async function verifies(path: string, user: string, password: string): Promise<boolean> {
  const hash = (await readPasswordFile(path)).users.get(user)
  return hash !== undefined && verifyPassword(hash, password)
}

describe('the administrator', () => {
  it('is made at the first start, with a password that is told once', async () => {
    const path = await newPath()
    const { name, madePassword = '' } = await ensureAdministrator({ path, ...unset })
    expect(name).toBe('admin')
    expect(madePassword).toMatch(/^[A-Za-z0-9][A-Za-z0-9_-]{23,}$/)
    expect(await verifies(path, 'admin', madePassword)).toBe(true)
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    expect(await readFile(path, 'utf8')).not.toContain(madePassword)
    expect(await ensureAdministrator({ path, ...unset })).toEqual({ name: 'admin' })
  })

  it('is nobody in a file whose comment names no one, or no user', async () => {
    const path = join(await temporaryFolder(), 'passwd')
    await writeFile(path, '')
    expect(await ensureAdministrator({ path, ...unset })).toEqual({ name: undefined })
    await writeFile(path, '# administrator: ann\n')
    expect(await ensureAdministrator({ path, ...unset })).toEqual({ name: undefined })
    expect(await readFile(path, 'utf8')).toBe('# administrator: ann\n')
  })

  it('is made from MQTT_USERNAME and MQTT_PASSWORD, and only from these', async () => {
    const path = await newPath()
    expect(await ensureAdministrator({ path, username: 'root', password: 'toor' })).toEqual({ name: 'root' })
    expect([...(await readPasswordFile(path)).users.keys()]).toEqual(['root'])
    expect(await verifies(path, 'root', 'toor')).toBe(true)
    expect(await ensureAdministrator({ path, ...unset })).toEqual({ name: undefined })
  })

  it('gets a new hash when MQTT_PASSWORD has changed, and keeps the old one when not', async () => {
    const path = await newPath()
    await ensureAdministrator({ path, username: 'root', password: 'toor' })
    const first = await readFile(path, 'utf8')
    await ensureAdministrator({ path, username: 'root', password: 'toor' })
    expect(await readFile(path, 'utf8')).toBe(first)
    await ensureAdministrator({ path, username: 'root', password: 'other' })
    expect(await verifies(path, 'root', 'toor')).toBe(false)
    expect(await verifies(path, 'root', 'other')).toBe(true)
  })

  it('is the one of MQTT_USERNAME alone when the file has that user', async () => {
    const path = await newPath()
    await ensureAdministrator({ path, ...unset })
    await setPassword(path, 'root', await hashPassword('toor'))
    expect(await ensureAdministrator({ path, username: 'root', password: undefined })).toEqual({
      name: 'root',
    })
  })

  it.each([
    ['a password without a name', undefined, 'toor', 'CONFIG_CONFLICT'],
    ['a name that is no user', 'root', undefined, 'CONFIG_CONFLICT'],
    ['a name that would be a comment', '#root', 'toor', 'CONFIG_VALUE'],
  ])('stops the start for %s, and nothing is written', async (_what, username, password, code) => {
    const path = await newPath()
    await expect(ensureAdministrator({ path, username, password })).rejects.toMatchObject({ code })
    await expect(ensureAdministrator({ path, username, password })).rejects.not.toThrow(/toor/)
    await expect(stat(path)).rejects.toMatchObject({ code: 'ENOENT' })
  })
})
