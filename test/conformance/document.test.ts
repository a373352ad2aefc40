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

/** How many statements each section of MQTT 3.1.1 has, by its appendix B. */
const sections: Readonly<Record<string, number>> = {
  ...{ '1.5.3': 3, '2.2.2': 2, '2.3.1': 7, '3.1.0': 2, '3.1.2': 24, '3.1.3': 11, '3.1.4': 5, '3.2.0': 1 },
  ...{ '3.2.2': 6, '3.3.1': 12, '3.3.2': 3, '3.3.4': 1, '3.3.5': 2, '3.6.1': 1, '3.8.1': 1, '3.8.3': 4 },
  ...{ '3.8.4': 6, '3.9.3': 2, '3.10.1': 1, '3.10.3': 2, '3.10.4': 6, '3.12.4': 1, '3.14.1': 1, '3.14.4': 3 },
  ...{ '4.1.0': 2, '4.3.1': 1, '4.3.2': 2, '4.3.3': 2, '4.4.0': 1, '4.5.0': 2, '4.6.0': 6, '4.7.1': 3 },
  ...{ '4.7.2': 1, '4.7.3': 4, '4.8.0': 2, '6.0.0': 4, '7.0.0': 2, '7.1.1': 1, '7.1.2': 1 },
}

/** What only a client can keep. */
const clientsOwn: readonly string[] = [
  'MQTT-2.3.1-2',
  'MQTT-3.1.2-23',
  'MQTT-3.14.4-1',
  'MQTT-4.5.0-2',
  'MQTT-6.0.0-3',
  'MQTT-7.1.2-1',
]

it('docs/conformance.md has every statement of the standard that is about servers, and no other', () => {
  const all = Object.entries(sections).flatMap(([section, count]) =>
    Array.from({ length: count }, (_, index) => `MQTT-${section}-${index + 1}`),
  )
  // The standard writes one of them so.
  const written = all.map((statement) => statement.replace('MQTT-3.8.3-4', 'MQTT-3-8.3-4'))
  const expected = written.filter((statement) => !clientsOwn.includes(statement))
  expect(rows.map(({ statement }) => statement).sort()).toEqual(expected.sort())
})

it('[MQTT-7.0.0-1] the server has nothing with which to connect to other servers', () => {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  expect(manifest).not.toHaveProperty('dependencies.mqtt')
  expect(manifest).toHaveProperty('devDependencies.mqtt')
})
