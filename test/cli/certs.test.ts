import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { certsCommand } from '#src/cli/certs.js'
import { cliContext } from '../support/cli-context.js'
import { temporaryFolder } from '../support/temporary-folder.js'

async function certs(folder: string, ...argv: string[]) {
  const { context, out, err } = cliContext({ CERTS_DIR: folder })
  return { code: await certsCommand(argv, context), out: out(), err: err() }
}

describe('damselfly certs', () => {
  it('makes what is missing, then shows what is there, then renews it', async () => {
    const folder = await temporaryFolder()
    const made = await certs(folder, '--name', 'broker.example')
    expect(made).toMatchObject({ code: 0, err: '' })
    for (const name of ['ca.crt', 'ca.key', 'server.crt', 'server.key'])
      expect(made.out).toContain(join(folder, name))
    const before = await readFile(join(folder, 'server.crt'), 'utf8')

    const shown = await certs(folder)
    expect(shown).toMatchObject({ code: 0, err: '' })
    expect(shown.out).toMatch(/^names +localhost .*broker\.example$/m)
    expect(shown.out).toMatch(/^SHA-256 +([0-9A-F]{2}:){31}[0-9A-F]{2}$/m)
    expect(shown.out).toMatch(/^expires +\d{4}-/m)
    expect(shown.out).not.toContain('BEGIN')
    expect(await readFile(join(folder, 'server.crt'), 'utf8')).toBe(before)

    expect(await certs(folder, '--renew')).toMatchObject({ code: 0, err: '' })
    expect(await readFile(join(folder, 'server.crt'), 'utf8')).not.toBe(before)
  })

  it('says that a name needs a renewal', async () => {
    const folder = await temporaryFolder()
    await certs(folder)
    expect(await certs(folder, '--name', 'new.example')).toMatchObject({
      code: 1,
      err: /new\.example.*--renew/,
    })
    expect(await certs(folder, '--renew', '--name', 'new.example')).toMatchObject({ code: 0 })
    expect(await certs(folder, '--name', 'NEW.example')).toMatchObject({ code: 0 })
  })

  it.each([[['--nonsense']], [['word']], [['--name', 'a b']], [['--name', '']], [['--name']]])(
    'is used wrongly with %j',
    async (argv) => {
      const result = await certs('/nonexistent/never', ...argv)
      expect(result).toMatchObject({ code: 2, out: '' })
      expect(result.err).toMatch(/^damselfly certs: .+\n$/)
    },
  )

  it('fails with the name of the file that it cannot read', async () => {
    const file = join(await temporaryFolder(), 'file')
    await certs(file)
    const inAFile = join(file, 'server.key')
    expect(await certs(inAFile)).toMatchObject({ code: 1, out: '', err: /CERTIFICATE_FILE: .*ca\.crt/ })
  })
})
