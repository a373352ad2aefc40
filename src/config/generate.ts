import { readFile, writeFile } from 'node:fs/promises'
import { insertSettingsTable, renderEnvExample } from './render.js'

// `npm run generate`: writes what is generated from the options into the files that show it.

const top = new URL('../..', import.meta.url)

for (const [name, language] of [
  ['docs/settings.md', 'en'],
  ['docs/settings.zh-CN.md', 'zh'],
] as const) {
  const page = new URL(name, top)
  await writeFile(page, insertSettingsTable(await readFile(page, 'utf8'), language))
}
await writeFile(new URL('.env.example', top), renderEnvExample())
