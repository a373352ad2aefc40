import { chmod, lstat, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { deleteUser, readPasswordFile, setPassword, userNameProblem } from '#src/auth/password-file.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const hash =
  '$6$LbP8TwGLvUQhG7Kv$sjw/74WvmMtgNlOEaISqiICUQnJOOfiZtzZkh/KC028PLdP+I3GfSX2PBf5gV5L70XU8gY2GqpkZmuafSTbKsQ=='
const otherHash = hash.replace('$sjw', '$abc')

async function fileOf(content: string | Buffer): Promise<string> {
  const path = join(await temporaryFolder(), 'passwd')
  await writeFile(path, content)
  return path
}

describe('a password file', () => {
  it('has no users where there is none', async () => {
    const path = join(await temporaryFolder(), 'none', 'passwd')
    expect(await readPasswordFile(path)).toEqual({
      exists: false,
      users: new Map(),
      administrator: undefined,
      warnings: [],
    })
  })

  it('is read as Mosquitto reads it: comments, blank lines, blanks, CRLF and further fields do not count', async () => {
    const path = await fileOf(
      `# note\n\n   \nann:${hash}\r\n  bob : ${hash} \n#:\nçé 用户:${hash}:more:fields\n\tlast:${hash}`,
    )
    const { exists, users, administrator, warnings } = await readPasswordFile(path)
    expect(exists).toBe(true)
    expect(warnings).toEqual([])
    expect([...users.keys()]).toEqual(['ann', 'bob', 'çé 用户', 'last'])
    expect(administrator).toBeUndefined()
  })

  it('names its administrator in a comment, who has to be a user', async () => {
    const of = async (content: string) => (await readPasswordFile(await fileOf(content))).administrator
    expect(await of(`# administrator: ann\nann:${hash}\n`)).toBe('ann')
    expect(await of(`ann:${hash}\n#administrator:ann \r\n`)).toBe('ann')
    expect(await of(`# administrator: bob\nann:${hash}\n`)).toBeUndefined()
    expect(await of(`# the administrator: ann\nann:${hash}\n`)).toBeUndefined()
    expect(await of(`# administrator:\nann:${hash}\n`)).toBeUndefined()
  })

  it.each([
    ['a user twice', `ann:${hash}\n\n ann :${otherHash}\n`, 3, /"ann" is there twice/],
    ['a plain password', `ann:${hash}\nbob:hunter2\n`, 2, /"bob" is not hashed/],
    ['no password', 'ann:\n', 1, /"ann" is not hashed/],
    ['blanks for a password', 'ann: \t:\n', 1, /"ann" is not hashed/],
    ['a comment behind a blank, with a colon', ' # note: hunter2\n', 1, /"# note" is not hashed/],
    ['argon2id', 'ann:$argon2id$v=19$m=1,t=1,p=1$hunter2$hunter2\n', 1, /argon2/],
    ['a damaged hash', `ann:${hash.slice(0, -1)}\n`, 1, /damaged/],
    ['two administrators', '# administrator: a\n# administrator: b\n', 2, /second administrator/],
  ])('is refused with file and line, but no hash, for %s', async (_what, content, line, reason) => {
    const path = await fileOf(content)
    const reading = readPasswordFile(path)
    await expect(reading).rejects.toMatchObject({ name: 'ConfigError', code: 'PASSWORD_FILE' })
    await expect(reading).rejects.toThrow(`${path} line ${line}: `)
    await expect(reading).rejects.toThrow(reason)
    await expect(reading).rejects.not.toThrow(/hunter2|LbP8|sjw/)
    await expect(setPassword(path, 'new', hash)).rejects.toMatchObject({ code: 'PASSWORD_FILE' })
    await expect(deleteUser(path, 'ann')).rejects.toMatchObject({ code: 'PASSWORD_FILE' })
    expect(await readFile(path)).toEqual(Buffer.from(content))
  })

  it.each([
    ['no colon', 'hunter2', /it has no colon/],
    ['no colon, behind a blank', ' # hunter2', /it has no colon/],
    ['an empty user name', `:${hash}`, /the user name is empty/],
    ['an empty user name and a further field', `:${hash}:hunter2`, /the user name is empty/],
    ['blanks for a user name', ` \t: ${hash}`, /the user name is empty/],
    ['nothing but a colon', ':', /the user name is empty/],
    ['a user name of 65,536 bytes', `${'x'.repeat(65_534)}ß:${hash}`, /more than 65535 bytes/],
    ['a user name that is not UTF-8', Buffer.from(`\xff:${hash}`, 'latin1'), /not UTF-8/],
    ['the same again with no hash', Buffer.from('\xff:hunter2', 'latin1'), /not UTF-8/],
  ])('is read without a line that has %s, which is kept and warned of', async (_what, line, reason) => {
    const broken = Buffer.concat([Buffer.from(line), Buffer.from('\n')])
    const path = await fileOf(Buffer.concat([Buffer.from(`ann:${hash}\n`), broken, Buffer.from('# end\n')]))
    const { users, warnings } = await readPasswordFile(path)
    expect([...users.keys()]).toEqual(['ann'])
    expect(warnings).toEqual([expect.stringMatching(reason)])
    expect(warnings[0]).toMatch(new RegExp(`^${path} line 2 is skipped: `))
    expect(warnings[0]).not.toMatch(/hunter2|LbP8|sjw/)
    await setPassword(path, 'bob', otherHash)
    await deleteUser(path, 'ann')
    expect(await readFile(path)).toEqual(Buffer.concat([broken, Buffer.from(`# end\nbob:${otherHash}\n`)]))
  })

  it('takes several colons for one, as Mosquitto does', async () => {
    const { users, warnings } = await readPasswordFile(await fileOf(`ann::${hash}\n:bob: ${hash}\n`))
    expect([...users.keys()]).toEqual(['ann', 'bob'])
    expect(warnings).toEqual([])
  })

  it('is refused when it cannot be read', async () => {
    await expect(readPasswordFile(await temporaryFolder())).rejects.toMatchObject({ code: 'PASSWORD_FILE' })
  })
})

describe('an edit of the password file', () => {
  it('keeps every other line and its place, byte for byte', async () => {
    const gbk = Buffer.from([0x23, 0xd3, 0xc3, 0xbb, 0xa7, 0x0a])
    const rest = `# administrator: ann\n\n ann : ${hash}\r\nbob:${hash}:x\ncid:${hash}`
    const path = await fileOf(Buffer.concat([gbk, Buffer.from(rest)]))
    const contentNow = async () => (await readFile(path)).subarray(gbk.length).toString()
    expect(await setPassword(path, 'bob', otherHash)).toBe('changed')
    expect(await contentNow()).toBe(
      `# administrator: ann\n\n ann : ${hash}\r\nbob:${otherHash}\ncid:${hash}\n`,
    )
    expect(await setPassword(path, '用户', hash)).toBe('added')
    expect(await deleteUser(path, 'ann')).toBe(true)
    expect(await contentNow()).toBe(`# administrator: ann\n\nbob:${otherHash}\ncid:${hash}\n用户:${hash}\n`)
    expect(await deleteUser(path, 'ann')).toBe(false)
    expect((await readFile(path)).subarray(0, gbk.length)).toEqual(gbk)
    expect([...(await readPasswordFile(path)).users.keys()]).toEqual(['bob', 'cid', '用户'])
  })

  it('makes file and folder, for the owner alone, and leaves nothing else behind', async () => {
    const folder = join(await temporaryFolder(), 'config')
    const path = join(folder, 'passwd')
    await setPassword(path, 'ann', hash)
    expect(await readFile(path, 'utf8')).toBe(`ann:${hash}\n`)
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    expect(await readdir(folder)).toEqual(['passwd'])
  })

  it('replaces the file in one step: whoever has the old one open still reads it whole', async () => {
    const path = await fileOf(`ann:${hash}\n`)
    const before = await stat(path)
    await setPassword(path, 'bob', hash)
    expect((await stat(path)).ino).not.toBe(before.ino)
  })

  it('takes the file from others, and leaves it to a group that could read it', async () => {
    const path = await fileOf('')
    await chmod(path, 0o646)
    await setPassword(path, 'ann', hash)
    expect((await stat(path)).mode & 0o777).toBe(0o640)
  })

  it('follows a symbolic link, which stays one', async () => {
    const folder = await temporaryFolder()
    await mkdir(join(folder, 'elsewhere'))
    await writeFile(join(folder, 'elsewhere', 'real'), '')
    await symlink(join('elsewhere', 'real'), join(folder, 'passwd'))
    await setPassword(join(folder, 'passwd'), 'ann', hash)
    expect((await lstat(join(folder, 'passwd'))).isSymbolicLink()).toBe(true)
    expect(await readFile(join(folder, 'elsewhere', 'real'), 'utf8')).toBe(`ann:${hash}\n`)
  })

  it('says so when the file cannot be written', async () => {
    const file = await fileOf('')
    await expect(setPassword(join(file, 'passwd'), 'ann', hash)).rejects.toMatchObject({
      code: 'PASSWORD_FILE',
    })
  })
})

describe('a user name', () => {
  it.each(['a', 'AIOT-ESP32-00000001', 'with blank', '用户', 'x'.repeat(65_535)])('may be %.30s', (name) => {
    expect(userNameProblem(name)).toBeUndefined()
  })

  it.each(['', 'a:b', 'a\nb', 'a\u0000', '\u0085x', ' a', 'a ', '#a', '字'.repeat(21_846), '\ud800'])(
    'may not be %j',
    (name) => {
      expect(userNameProblem(name)).toBeDefined()
    },
  )
})
