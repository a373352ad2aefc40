import { readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'

/** Path below src → text. */
type Sources = ReadonlyMap<string, string>

const SRC = new URL('../src', import.meta.url).pathname
const sources: Sources = new Map(
  readdirSync(SRC, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .sort()
    .map((path) => [path, readFileSync(join(SRC, path), 'utf8')]),
)

/** Every area imports only from areas below it. The last six are leaves: they import leaves alone. */
const order = [
  ...[
    'main.ts',
    'app.ts',
    'reload.ts',
    'storage.ts',
    'outward.ts',
    'service-manager.ts',
    'context.ts',
    'lifecycle.ts',
    'welcome.ts',
    'cli',
    'listen',
    'web',
    'broker',
    'sessions',
    'auth',
  ],
  ...[
    'ingest',
    'presence',
    'alerts',
    'store',
    'mqtt',
    'metrics',
    'config',
    'log',
    'clock',
    'cache',
    'ending',
  ],
]

/** Which area (a folder of src, or a file beside them) imports from which. */
const areaImports: Readonly<Record<string, readonly string[]>> = {
  'main.ts': ['app.ts', 'service-manager.ts', 'cli', 'store', 'config', 'log'],
  'app.ts': [
    ...[
      'reload.ts',
      'storage.ts',
      'outward.ts',
      'context.ts',
      'lifecycle.ts',
      'service-manager.ts',
      'welcome.ts',
      'listen',
      'web',
      'broker',
      'sessions',
    ],
    ...['auth', 'ingest', 'alerts', 'store', 'metrics', 'config', 'log', 'clock'],
  ],
  'storage.ts': ['context.ts', 'ingest', 'presence', 'store'],
  'outward.ts': ['context.ts', 'web', 'broker', 'sessions', 'metrics', 'config'],
  'context.ts': ['lifecycle.ts', 'web', 'alerts', 'store', 'metrics', 'config', 'log'],
  'reload.ts': ['listen', 'broker', 'auth', 'config', 'log'],
  'lifecycle.ts': ['log'],
  'service-manager.ts': ['context.ts', 'log'],
  'welcome.ts': ['auth', 'listen'],
  cli: ['listen', 'sessions', 'auth', 'store', 'config'],
  listen: ['broker', 'mqtt', 'metrics', 'config', 'log', 'clock'],
  web: ['broker', 'auth', 'store', 'metrics', 'config', 'log', 'ending'],
  broker: ['sessions', 'auth', 'mqtt', 'metrics', 'log', 'ending'],
  sessions: ['store', 'mqtt', 'metrics', 'config', 'log', 'clock', 'cache'],
  auth: ['store', 'mqtt', 'config', 'log', 'cache', 'ending'],
  ingest: ['store', 'metrics', 'log', 'clock', 'cache'],
  presence: ['store', 'metrics', 'log'],
  alerts: ['metrics', 'config', 'log', 'cache'],
  store: ['config', 'log', 'clock', 'cache'],
  metrics: ['log'],
  log: ['cache'],
}

/** Who may import a package, as the beginning of a path below src. */
const packageImporters: readonly (readonly [name: string, importer: string])[] = [
  ['aedes', 'broker/aedes-broker.ts'],
  ['mysql2', 'store/mysql/'],
  ['@libsql/client', 'store/sqlite/'],
  ['drizzle-orm', 'store/'],
  ['ioredis', 'sessions/redis/'],
  ['aedes-persistence', 'sessions/disk/'],
  ['aedes-persistence-redis', 'sessions/redis/'],
  ['mqemitter-redis', 'sessions/redis/'],
  ['websocket-stream', 'listen/websocket'],
  ['fastify', 'web/'],
  ['@fastify/swagger', 'web/api/api.ts'],
  ['prom-client', 'metrics/'],
  ['lru-cache', 'cache/lru.ts'],
  ['@node-rs/argon2', 'auth/argon2id.ts'],
]

const environmentReaders: ReadonlySet<string> = new Set(['main.ts'])

/** What no file may have, and a sample that has it. */
const forbidden: readonly (readonly [what: string, pattern: RegExp, sample: string])[] = [
  ['a default export', /^export default\b/m, 'export default function start() {}'],
  ['the type any', /(?:[:=<|&,(]|\bas)\s*any\b\s*(?:[;,)>\]=|&{[]|$)/m, 'const value = input as any'],
  ['a non-null assertion', /[\w)\]]!(?:[.,;)\]}[(]|$)/m, 'const first = list[0]!.name'],
  ['a silenced compiler', /@ts-(?:ignore|expect-error|nocheck)/, '// @ts-ignore'],
  ['a silenced linter', /biome-ignore/, '// biome-ignore lint: no'],
]

const MAX_LINES = 250

const areaOf = (path: string): string => path.split('/')[0] ?? path

/** What a text imports: packages by name, files of ours as paths below src. */
function importsOf(path: string, text: string): string[] {
  const specifiers = text.matchAll(/\b(?:from|import|import\(|new URL\()\s?'([^']+)'/g)
  return [...specifiers].map(([, specifier = '']) =>
    specifier.startsWith('.') ? join(dirname(path), specifier).replace(/\.js$/, '.ts') : specifier,
  )
}

function importedAreas(files: Sources): Record<string, string[]> {
  const areas = new Map<string, Set<string>>()
  for (const [path, text] of files) {
    for (const imported of importsOf(path, text).filter((file) => files.has(file))) {
      const [from, to] = [areaOf(path), areaOf(imported)]
      if (from !== to) areas.set(from, (areas.get(from) ?? new Set()).add(to))
    }
  }
  return Object.fromEntries([...areas].map(([area, imported]) => [area, [...imported].sort()]))
}

/** One cycle of imports, file by file, or nothing. */
function findCycle(files: Sources): readonly string[] {
  const done = new Set<string>()
  const visit = (path: string, trail: readonly string[]): readonly string[] => {
    if (trail.includes(path)) return [...trail.slice(trail.indexOf(path)), path]
    if (done.has(path)) return []
    done.add(path)
    for (const imported of importsOf(path, files.get(path) ?? '')) {
      const cycle = files.has(imported) ? visit(imported, [...trail, path]) : []
      if (cycle.length > 0) return cycle
    }
    return []
  }
  for (const path of files.keys()) {
    const cycle = visit(path, [])
    if (cycle.length > 0) return cycle
  }
  return []
}

function importersOf(name: string, files: Sources): string[] {
  return [...files].flatMap(([path, text]) =>
    importsOf(path, text).some((specifier) => specifier === name || specifier.startsWith(`${name}/`))
      ? [path]
      : [],
  )
}

function environmentReadersOf(files: Sources): string[] {
  const reads = /\bprocess\.env\b|\benv\b[^\n]*\}\s*=\s*process\b|\benv\b[^\n]*from 'node:process'/
  return [...files].flatMap(([path, text]) => (reads.test(text) ? [path] : []))
}

/** Exported declarations without a docstring directly above them, as `file: name`. */
function undocumented(files: Sources): string[] {
  const declaration =
    /^\s*export (?:declare |abstract |async )*(?:function\*?|const|class|interface|type|enum) (\w+)/
  return [...files].flatMap(([path, text]) => {
    const lines = text.split('\n')
    return lines.flatMap((line, index) => {
      const name = declaration.exec(line)?.[1]
      const isDocumented = lines[index - 1]?.trimEnd().endsWith('*/') === true
      return name === undefined || isDocumented ? [] : [`${path}: ${name}`]
    })
  })
}

function matching(pattern: RegExp, files: Sources): string[] {
  return [...files].flatMap(([path, text]) => (pattern.test(text) ? [`${path}: ${pattern.exec(text)}`] : []))
}

describe('imports', () => {
  it('go from area to area as the table says, no more and no less', () => {
    const table = Object.entries(areaImports).map(([area, imported]) => [area, [...imported].sort()])
    expect(importedAreas(sources)).toEqual(Object.fromEntries(table))
  })

  it('go one way', () => {
    const backwards = Object.entries(areaImports).flatMap(([area, imported]) =>
      imported.filter((other) => order.indexOf(other) <= order.indexOf(area)).map((other) => [area, other]),
    )
    expect(backwards).toEqual([])
    expect([...new Set([...sources.keys()].map(areaOf))].sort()).toEqual([...order].sort())
  })

  it('form no cycle of files', () => {
    expect(findCycle(sources)).toEqual([])
  })

  it('reach a database only through open-store.ts, open-state.ts and storage-threads.ts of store/', () => {
    const outside = [...sources].filter(([path]) => !/^store\/(mysql|sqlite)\//.test(path))
    const importers = outside.filter(([path, text]) =>
      importsOf(path, text).some((imported) => /^store\/(mysql|sqlite)\//.test(imported)),
    )
    expect(importers.map(([path]) => path)).toEqual([
      'store/open-state.ts',
      'store/open-store.ts',
      'store/storage-threads.ts',
    ])
  })

  it.each(packageImporters)('of %s stand in %s', (name, importer) => {
    const importers = importersOf(name, sources)
    expect(importers).not.toEqual([])
    expect(importers.filter((path) => !path.startsWith(importer))).toEqual([])
  })

  it('are seen in every form', () => {
    const text = [
      "import a from './a.js'",
      "import type {\n  B,\n} from '../b.js'",
      "import 'reflect-metadata'",
      "export { c } from './c.js'",
      "const d = await import('./d.js')",
      "new Worker(new URL('./e.js', import.meta.url))",
    ].join('\n')
    const expected = ['x/a.ts', 'b.ts', 'reflect-metadata', 'x/c.ts', 'x/d.ts', 'x/e.ts']
    expect(importsOf('x/y.ts', text)).toEqual(expected)
    const ring: Sources = new Map([
      ['a.ts', "import './b.js'"],
      ['b.ts', "import './c.js'"],
      ['c.ts', "import './b.js'"],
    ])
    expect(findCycle(ring)).toEqual(['b.ts', 'c.ts', 'b.ts'])
  })
})

describe('every file', () => {
  it('takes the environment from its arguments, but for the two that hand it in', () => {
    expect(new Set(environmentReadersOf(sources))).toEqual(environmentReaders)
    const sample = new Map([['a.ts', 'const { argv, env } = process']])
    expect(environmentReadersOf(sample)).toEqual(['a.ts'])
  })

  it.each(forbidden)('is free of %s', (_what, pattern, sample) => {
    expect(matching(pattern, sources)).toEqual([])
    expect(matching(pattern, new Map([['sample.ts', sample]]))).toHaveLength(1)
  })

  it('has a kebab-case name', () => {
    const names = [...sources.keys()].map((path) => basename(path).replace(/(\.d)?\.ts$/, ''))
    expect(names.filter((name) => !/^[a-z0-9]+(-[a-z0-9]+)*$/.test(name))).toEqual([])
  })

  it(`has at most ${MAX_LINES} lines`, () => {
    const lengths = [...sources].map(([path, text]) => ({ path, lines: text.split('\n').length - 1 }))
    expect(lengths.filter(({ lines }) => lines > MAX_LINES)).toEqual([])
  })

  it('says what each thing that it exports means', () => {
    expect(undocumented(sources)).toEqual([])
    expect(
      undocumented(new Map([['a.ts', '/** Documented. */\nexport const a = 1\nexport type B = 1']])),
    ).toEqual(['a.ts: B'])
  })
})
