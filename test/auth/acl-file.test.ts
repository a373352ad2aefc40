import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parseAclFile, readAclFile } from '#src/auth/acl-file.js'
import { startMosquitto } from '../support/mosquitto.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const parse = (...lines: readonly string[]) =>
  parseAclFile('acl.conf', Buffer.from(lines.join('\n')).toString('latin1'))

/** The first rule for anonymous clients, as `access filter`. */
const ruleOf = (line: string): string | undefined => {
  const [rule] = parse(line).anonymous
  return rule && `${rule.access} ${rule.filter}`
}

/** Lines that Mosquitto takes, and what they mean. */
const accepted: readonly (readonly [line: string, rule: string | undefined, why: string])[] = [
  ['topic read a/b', 'read a/b', 'read'],
  ['topic write a/b', 'write a/b', 'write'],
  ['topic readwrite a/b', 'readwrite a/b', 'both'],
  ['topic deny a/b', 'deny a/b', 'neither'],
  ['topic a/b', 'readwrite a/b', 'no access stands for both'],
  ['topic read', 'readwrite read', 'a single word is the topic'],
  ['topic read a b', 'read a b', 'a topic with a blank, behind an access'],
  ['topic  read   a  b  ', 'read a  b', 'blanks between the words and behind them'],
  ['  topic read a', 'read a', 'blanks before'],
  ['topic read a\t', 'read a', 'a tab behind'],
  ['topic read \ta', 'read a', 'a tab before the topic'],
  ['topic read a\r', 'read a', "Windows' line ends"],
  ['topic read 设备/#', 'read 设备/#', 'Chinese'],
  ['topic read a/%u', 'read a/%u', 'in a topic %u is itself'],
  ['', undefined, 'a blank line'],
  ['   \t', undefined, 'blanks alone'],
  ['#topic read a', undefined, 'a comment'],
]

/** Lines that Mosquitto refuses to start with, and what we say of them. */
const refused: readonly (readonly [line: string, reason: string])[] = [
  ['topic', 'it has no topic'],
  ['topic  ', 'it has no topic'],
  ['pattern', 'it has no topic'],
  ['user', 'user names nobody'],
  ['user  ', 'user names nobody'],
  ['topic READ a', '"READ" is not read, write, readwrite or deny'],
  ['topic a b', '"a" is not read, write, readwrite or deny'],
  ['TOPIC read a', 'it starts with "TOPIC"'],
  ['topic\tread a', String.raw`it starts with "topic\tread"`],
  [' # comment', 'it starts with "#"'],
  ['acl read a', 'it starts with "acl"'],
  ['topic a+', '"a+" is no topic filter'],
  ['topic read a/#/b', '"a/#/b" is no topic filter'],
  ['pattern read #a', '"#a" is no topic filter'],
]

describe('A line of acl.conf', () => {
  it.each(accepted)('%j means %s: %s', (line, rule) => expect(ruleOf(line)).toBe(rule))

  it.each(refused)('%j is refused: %s', (line, reason) => {
    expect(() => parse('# first', line)).toThrow(
      expect.objectContaining({
        code: 'ACL_FILE',
        message: expect.stringContaining(`acl.conf line 2: ${reason}`),
      }),
    )
  })

  it.each(accepted.map(([line]) => line))('%j is one that Mosquitto takes', async (line) => {
    const path = join(await temporaryFolder(), 'acl.conf')
    await writeFile(path, `${line}\n`)
    await startMosquitto({ acl_file: path, allow_anonymous: 'true' })
  })

  it.each(refused.map(([line]) => line))('%j is one that Mosquitto refuses', async (line) => {
    const path = join(await temporaryFolder(), 'acl.conf')
    await writeFile(path, `${line}\n`)
    await expect(startMosquitto({ acl_file: path, allow_anonymous: 'true' })).rejects.toThrow('acl_file')
  })
})

describe('acl.conf', () => {
  it('has rules for anonymous clients first, then for users, whose blocks add up', () => {
    const file = parse(
      'topic a',
      'user ann',
      'topic b',
      'user  bob the 2nd ',
      'topic c',
      'user ann',
      'topic d',
    )
    expect(file.anonymous).toMatchObject([{ line: 1, filter: 'a' }])
    expect([...file.users.keys()]).toEqual(['ann', 'bob the 2nd'])
    expect(file.users.get('ann')).toMatchObject([
      { line: 3, filter: 'b' },
      { line: 7, filter: 'd' },
    ])
    expect(file.users.get('bob the 2nd')).toMatchObject([{ line: 5, filter: 'c' }])
  })

  it('has patterns for everyone, wherever they stand', () => {
    const { anonymous, users, patterns } = parse('pattern a/%u', 'user ann', 'pattern read b/%c')
    expect(patterns).toMatchObject([
      { line: 1, kind: 'pattern', access: 'readwrite', filter: 'a/%u' },
      { line: 2 + 1, kind: 'pattern', access: 'read', filter: 'b/%c' },
    ])
    expect(anonymous).toEqual([])
    expect(users.get('ann')).toEqual([])
  })

  it("may start with an editor's byte-order mark", () => {
    expect(parse('\ufefftopic a').anonymous).toMatchObject([{ filter: 'a' }])
  })

  it('may have comments in any encoding; a rule that is not UTF-8 is nobody’s, and named', () => {
    const file = parseAclFile(
      'acl.conf',
      '# caf\xe9\ntopic caf\xe9\nuser caf\xe9\ntopic a\nuser ann\ntopic b',
    )
    expect(file.anonymous).toEqual([])
    expect([...file.users]).toMatchObject([['ann', [{ filter: 'b' }]]])
    expect(file.warnings).toEqual([2, 3].map((line) => expect.stringContaining(`acl.conf line ${line} `)))
  })

  it('may be absent, and then has no rules; a folder in its place is an error', async () => {
    const folder = await temporaryFolder()
    expect(await readAclFile(join(folder, 'acl.conf'))).toMatchObject({ exists: false, anonymous: [] })
    await expect(readAclFile(folder)).rejects.toMatchObject({ code: 'ACL_FILE' })
  })
})
