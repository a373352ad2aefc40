import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { loadSettings } from '#src/config/load.js'
import { options } from '#src/config/options.js'
import { insertSettingsTable, renderEnvExample, renderSettingsTable } from '#src/config/render.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const read = (name: string): Promise<string> => readFile(new URL(`../../${name}`, import.meta.url), 'utf8')
const names = Object.keys(options)
const isSecret = (name: string): boolean =>
  Object.entries(options).some(([one, option]) => one === name && 'isSecret' in option)
const withFile = (name: string): string[] => (isSecret(name) ? [name, `${name}_FILE`] : [name])

describe('`npm run generate` would change nothing in', () => {
  it.each([
    ['docs/settings.md', 'en'],
    ['docs/settings.zh-CN.md', 'zh'],
  ] as const)('%s', async (name, language) => {
    const page = await read(name)
    expect(page).toBe(insertSettingsTable(page, language))
  })

  it('.env.example', async () => {
    expect(await read('.env.example')).toBe(renderEnvExample())
  })
})

describe('the two READMEs', () => {
  it('name the same files, all of which are there', async () => {
    const linked = async (name: string) => {
      const targets = [...(await read(name)).matchAll(/\]\((?!https?:)([^)#]+)\)/g)].map(
        ([, path = '']) => path,
      )
      return targets.filter((path) => !path.startsWith('README'))
    }
    const english = await linked('README.md')
    expect((await linked('README.zh-CN.md')).map((path) => path.replace('.zh-CN', ''))).toEqual(english)
    expect(english.filter((path) => !existsSync(new URL(`../../${path}`, import.meta.url)))).toEqual([])
  })

  it('show the same commands', async () => {
    const blocks = async (name: string) =>
      [...(await read(name)).matchAll(/^```.*\n([\s\S]*?)^```/gm)].map(([, code = '']) =>
        code.replace(/^# .*$/gm, '#'),
      )
    const english = await blocks('README.md')
    expect(english.length).toBeGreaterThan(5)
    expect(await blocks('README.zh-CN.md')).toEqual(english)
  })
})

describe('the settings table', () => {
  it.each(['en', 'zh'] as const)(
    'has a row for each setting, in order, with nothing left out (%s)',
    (language) => {
      const rows = renderSettingsTable(language).split('\n').slice(2)
      const cells = rows.map((row) => row.slice(2, -2).split(' | '))
      expect(cells.map(([name]) => name)).toEqual(
        names.map((name) =>
          withFile(name)
            .map((word) => `\`${word}\``)
            .join(' '),
        ),
      )
      expect(cells.filter((row) => row.length !== 3 || row[2]?.trim() === '')).toEqual([])
    },
  )

  it('replaces what stands between the markers and nothing else', () => {
    const begin = /<!-- settings: .* -->/.exec(insertablePage())?.[0] ?? ''
    const page = `before\n${begin}\nold\n<!-- /settings -->\nafter\n`
    const written = insertSettingsTable(page, 'en')
    expect(written).toBe(`before\n${begin}\n\n${renderSettingsTable('en')}\n\n<!-- /settings -->\nafter\n`)
    expect(insertSettingsTable(written, 'en')).toBe(written)
  })

  it('is refused a page without markers', () => {
    expect(() => insertSettingsTable('# Damselfly\n', 'en')).toThrow('<!-- /settings -->')
  })
})

describe('.env.example', () => {
  it('changes nothing as it is, and nothing with every line uncommented', async () => {
    const lines = renderEnvExample().split('\n')
    const uncommented = lines.map((line) => line.replace(/^# (?=[A-Z_]+=)/, ''))
    expect(uncommented.flatMap((line) => /^[A-Z_]+(?==)/.exec(line)?.[0] ?? [])).toEqual(
      names.flatMap(withFile),
    )
    for (const text of [lines, uncommented]) {
      const folder = await temporaryFolder()
      await writeFile(join(folder, '.env'), text.join('\n'))
      expect(loadSettings({}, folder)).toEqual(loadSettings({}, '/nonexistent'))
    }
  })

  it('has no value for a secret', () => {
    for (const name of names.filter(isSecret)) {
      expect(renderEnvExample()).toContain(`\n# ${name}=\n# ${name}_FILE=\n`)
    }
  })
})

/** A page that has the markers. */
function insertablePage(): string {
  return '<!-- settings: written by `npm run generate` from src/config/options.ts -->\n<!-- /settings -->'
}
