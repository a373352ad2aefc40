import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readPasswordFile } from '#src/auth/password-file.js'
import { createPasswords } from '#src/auth/passwords.js'
import { passwdCommand } from '#src/cli/passwd.js'
import { cliContext } from '../support/cli-context.js'
import { startMosquitto } from '../support/mosquitto.js'
import { temporaryFolder } from '../support/temporary-folder.js'

async function passwd(folder: string, argv: readonly string[], input?: string | Buffer) {
  const { context, out, err } = cliContext({ CONFIG_DIR: folder }, input)
  return { code: await passwdCommand(argv, context), out: out(), err: err() }
}

async function accepts(folder: string, user: string, password: string): Promise<boolean> {
  const file = await readPasswordFile(join(folder, 'passwd'))
  return createPasswords(file).verify(user, Buffer.from(password))
}

describe('damselfly passwd', () => {
  it('sets a password from the first line of standard input', async () => {
    const folder = await temporaryFolder()
    const set = await passwd(folder, ['set', 'ann'], 'se cret\nnot this\n')
    expect(set).toMatchObject({ code: 0, err: '' })
    expect(set.out).toContain(`added ann in ${join(folder, 'passwd')}`)
    expect(set.out).toContain('a running server takes that up within a second')
    expect(set.out).not.toContain('se cret')
    expect(await accepts(folder, 'ann', 'se cret')).toBe(true)
    expect((await passwd(folder, ['set', 'ann'], '密码')).out).toContain('changed the password of ann')
    expect(await accepts(folder, 'ann', '密码')).toBe(true)
    expect(await accepts(folder, 'ann', 'se cret')).toBe(false)
    expect((await passwd(folder, ['set', 'ann'], 'windows\r\n')).code).toBe(0)
    expect(await accepts(folder, 'ann', 'windows')).toBe(true)
  })

  it('writes what Mosquitto reads', async () => {
    const folder = await temporaryFolder()
    await passwd(folder, ['set', 'ann'], 'secret\n')
    const mosquitto = await startMosquitto(join(folder, 'passwd'))
    expect(await mosquitto.accepts('ann', 'secret')).toBe(true)
    expect(await mosquitto.accepts('ann', 'wrong')).toBe(false)
  })

  it('lists users and deletes one, and says when that was the administrator', async () => {
    const folder = await temporaryFolder()
    await writeFile(join(folder, 'passwd'), '# administrator: ann\n')
    await passwd(folder, ['set', 'ann'], 'a')
    await passwd(folder, ['set', 'bob'], 'b')
    expect(await passwd(folder, ['list'])).toEqual({ code: 0, out: 'ann (administrator)\nbob\n', err: '' })
    expect((await passwd(folder, ['delete', 'bob'])).out).not.toContain('administrator')
    expect((await passwd(folder, ['delete', 'ann'])).out).toContain('was the administrator')
    expect(await passwd(folder, ['list'])).toEqual({ code: 0, out: '', err: '' })
    expect(await passwd(folder, ['delete', 'ann'])).toMatchObject({ code: 1, out: '' })
  })

  it('lists the users of a file with a line that is skipped, and says so', async () => {
    const folder = await temporaryFolder()
    await passwd(folder, ['set', 'ann'], 'a')
    const path = join(folder, 'passwd')
    await appendFile(path, 'no colon\n')
    expect(await passwd(folder, ['list'])).toEqual({
      code: 0,
      out: 'ann\n',
      err: `damselfly passwd: ${path} line 2 is skipped: it has no colon\n`,
    })
  })

  it.each([
    ['empty', ''],
    ['an empty line', '\nsecond'],
    ['too long', 'x'.repeat(65_536)],
    ['endless', 'x'.repeat(1_000_000)],
    ['not UTF-8', Buffer.from([0x61, 0xff, 0x0a])],
  ])('refuses a password that is %s', async (_what, input) => {
    const folder = await temporaryFolder()
    expect(await passwd(folder, ['set', 'ann'], input)).toMatchObject({ code: 1, out: '' })
    expect((await readPasswordFile(join(folder, 'passwd'))).exists).toBe(false)
  })

  it.each([
    [[]],
    [['rename']],
    [['set']],
    [['delete']],
    [['set', 'ann', 'secret']],
    [['list', 'ann']],
    [['set', 'a:b']],
    [['set', '#ann']],
    [['set', '']],
    [['--password', 'x']],
  ])('is used wrongly with %j', async (argv) => {
    const result = await passwd('/nonexistent/never', argv, 'secret\n')
    expect(result).toMatchObject({ code: 2, out: '' })
    expect(result.err).toMatch(/^damselfly passwd: .+\n$/)
    expect(result.err).not.toContain('secret\n')
  })

  it('helps', async () => {
    expect(await passwd('/nonexistent/never', ['--help'])).toMatchObject({ code: 0, err: '' })
    expect((await passwd('/nonexistent/never', ['set', '-h'])).out).toMatch(
      /^Usage: damselfly passwd set USER/,
    )
  })

  it('leaves a broken file alone, and says where it is broken', async () => {
    const folder = await temporaryFolder()
    await writeFile(join(folder, 'passwd'), 'ann:plain\n')
    const result = await passwd(folder, ['set', 'bob'], 'secret\n')
    expect(result).toMatchObject({ code: 1, out: '' })
    expect(result.err).toContain(`PASSWORD_FILE: ${join(folder, 'passwd')} line 1`)
    expect(await readFile(join(folder, 'passwd'), 'utf8')).toBe('ann:plain\n')
  })
})

/** A pseudo-terminal on which the command runs: what it shows, and how it ends. */
async function onTerminal(folder: string, dialogue: readonly [prompt: string, typed: string][]) {
  const program = [
    "import { passwdCommand } from '#src/cli/passwd.js'",
    "import { loadSettings } from '#src/config/load.js'",
    'const { stdin, stdout, stderr } = process',
    `const settings = loadSettings({ CONFIG_DIR: process.env.FOLDER }, '/nonexistent')`,
    "process.exitCode = await passwdCommand(['set', 'ann'], { settings, stdin, stdout, stderr })",
  ].join('\n')
  const child = spawn(
    'script',
    [
      '--quiet',
      '--return',
      '--echo',
      'always',
      '--command',
      '"$NODE" --input-type=module --eval "$PROGRAM"',
      '/dev/null',
    ],
    { env: { ...process.env, FOLDER: folder, NODE: process.execPath, PROGRAM: program }, stdio: 'pipe' },
  )
  const left = [...dialogue]
  let screen = ''
  let seen = 0
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    screen += text
    const next = left[0]
    const at = next === undefined ? -1 : screen.indexOf(next[0], seen)
    if (next === undefined || at === -1) return
    seen = at + next[0].length
    left.shift()
    child.stdin.write(next[1])
  })
  await once(child, 'close')
  return { code: child.exitCode, screen, unanswered: left }
}

describe('damselfly passwd set on a terminal', () => {
  it('asks twice and shows nothing of what is typed', async () => {
    const folder = await temporaryFolder()
    const { code, screen, unanswered } = await onTerminal(folder, [
      ['New password of ann: ', 'secreX\u007ft\r'],
      ['The same again: ', 'secret\r'],
    ])
    expect(unanswered).toEqual([])
    expect(code).toBe(0)
    expect(screen).not.toMatch(/secre|\*/)
    expect(screen).toContain('added ann')
    expect(await accepts(folder, 'ann', 'secret')).toBe(true)
  })

  it.each([
    [
      'two that differ',
      [
        ['New password of ann: ', 'one\r'],
        ['The same again: ', 'two\r'],
      ],
      1,
    ],
    ['an empty one', [['New password of ann: ', '\r']], 1],
    ['the end of input', [['New password of ann: ', '\u0004']], 1],
    ['Ctrl-C', [['New password of ann: ', 'sec\u0003']], 130],
  ] satisfies [string, [string, string][], number][])(
    'writes nothing after %s',
    async (_what, dialogue, code) => {
      const folder = await temporaryFolder()
      expect(await onTerminal(folder, dialogue)).toMatchObject({ code, unanswered: [] })
      expect((await readPasswordFile(join(folder, 'passwd'))).exists).toBe(false)
    },
  )
})
