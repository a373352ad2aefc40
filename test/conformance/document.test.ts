import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, it } from 'vitest'

const DOCUMENT = new URL('../../docs/conformance.md', import.meta.url).pathname
const rows = readFileSync(DOCUMENT, 'utf8')
  .split('\n')
  .flatMap((line) => {
    const [, statement, , shownBy = ''] = line.split('|').map((cell) => cell.trim())
    if (statement?.startsWith('MQTT-') !== true) return []
    return [{ statement, files: [...shownBy.matchAll(/\]\(([^)]+)\)/g)].map(([, path = '']) => path) }]
  })

it('every statement of docs/conformance.md stands there once, and in the tests that it names', () => {
  expect(rows.length).toBeGreaterThan(100)
  expect(new Set(rows.map(({ statement }) => statement)).size).toBe(rows.length)
  const untrue = rows.flatMap(({ statement, files }) => {
    const missing = files.filter((path) => {
      const text = readFileSync(join(dirname(DOCUMENT), path), 'utf8')
      return !new RegExp(`${statement.replaceAll('.', '\\.')}\\b`).test(text)
    })
    return files.length === 0 ? [`${statement}: no test`] : missing.map((path) => `${statement}: ${path}`)
  })
  expect(untrue).toEqual([])
})
