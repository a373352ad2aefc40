import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { damselfly } from '../support/command.js'
import { temporaryFolder } from '../support/temporary-folder.js'

describe('damselfly', () => {
  it.each([
    [['--help'], 'damselfly [COMMAND]'],
    [['-h'], 'damselfly [COMMAND]'],
    [['help'], 'damselfly [COMMAND]'],
    [['start', '--help'], 'damselfly [COMMAND]'],
    [['check', '--help'], 'damselfly check'],
    [['device', '--help'], 'damselfly device add'],
    [['device', '-h'], 'damselfly device add'],
    [['passwd', '--help'], 'damselfly passwd'],
    [['certs', '--help'], 'damselfly certs'],
    [['import-mosquitto', '--help'], 'damselfly import-mosquitto'],
    [['backup', '--help'], 'damselfly backup'],
    [['restore', '--help'], 'damselfly restore'],
  ])('%j prints its help and touches nothing', async (argv, usage) => {
    const folder = await temporaryFolder()
    const outcome = await damselfly(folder, argv)
    expect(outcome).toMatchObject({ code: 0, stderr: '' })
    expect(outcome.stdout.startsWith(`Usage: ${usage}`)).toBe(true)
    expect(await readdir(folder)).toEqual([])
  })

  it('names every command in its help', async () => {
    const { stdout } = await damselfly(await temporaryFolder(), ['--help'])
    expect([...stdout.matchAll(/^ {2}([\w-]+)/gm)].map(([, name]) => name)).toEqual([
      'start',
      'check',
      'passwd',
      'device',
      'acl',
      'certs',
      'import-mosquitto',
      'backup',
      'restore',
    ])
  })

  it('exits with 2 and the help for a command that it does not know', async () => {
    for (const name of ['frobnicate', '--frobnicate', 'constructor']) {
      const { code, stdout, stderr } = await damselfly(await temporaryFolder(), [name])
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
      expect(stderr.startsWith(`damselfly: unknown command "${name}"\n\nUsage: damselfly`)).toBe(true)
    }
  })

  it('exits with 2 for a word behind start, which takes none', async () => {
    const outcome = await damselfly(await temporaryFolder(), ['start', '--port=1883'])
    expect(outcome).toMatchObject({ code: 2, stdout: '' })
    expect(outcome.stderr).toMatch(/^damselfly start: "--port=1883" is one word too many; .+\n$/)
  })

  it('exits with 1 and one line when a setting is wrong, whichever the command', async () => {
    for (const argv of [
      [],
      ['start'],
      ['check'],
      ['device', 'list'],
      ['certs'],
      ['import-mosquitto', 'm.conf'],
      ['backup', 'b.tar.gz'],
      ['restore', 'b.tar.gz'],
    ]) {
      const folder = await temporaryFolder()
      await writeFile(join(folder, '.env'), 'INGEST_BATCH=none\n')
      const outcome = await damselfly(folder, argv)
      expect(outcome, argv.join(' ')).toMatchObject({ code: 1, stdout: '' })
      expect(outcome.stderr).toMatch(
        /^damselfly( [\w-]+)?: CONFIG_VALUE: INGEST_BATCH = "none" \(\.env\); expected .+\n$/,
      )
    }
  })

  it('shows its help although a setting is wrong', async () => {
    for (const command of ['check', 'passwd', 'device', 'certs', 'import-mosquitto', 'backup', 'restore']) {
      const folder = await temporaryFolder()
      await writeFile(join(folder, '.env'), 'INGEST_BATCH=none\n')
      expect(await damselfly(folder, [command, '--help']), command).toMatchObject({ code: 0, stderr: '' })
    }
  })
})
