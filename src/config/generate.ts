import { readFile, writeFile } from 'node:fs/promises'
import { insertSettingsTable, renderEnvExample } from './render.js'

// `npm run generate`: writes what is generated from the options into the files that show it.

const top = new URL('../..', import.meta.url)

for (const [name, language] of [
  ['README.md', 'en'],
  ['README.zh-CN.md', 'zh'],
] as const) {
  const readme = new URL(name, top)
  await writeFile(readme, insertSettingsTable(await readFile(readme, 'utf8'), language))
}
await writeFile(new URL('.env.example', top), renderEnvExample())
