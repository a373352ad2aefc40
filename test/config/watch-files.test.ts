import { appendFile, mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { watchFiles } from '#src/config/watch-files.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const LOOK_EVERY_MS = 20

/** A watch until the test is over, which has looked once, whose reports are counted. */
async function watch(paths: readonly string[], lookEveryMs = LOOK_EVERY_MS) {
  let reports = 0
  const waiting = new Set<() => void>()
  const report = (): void => {
    reports += 1
    for (const look of waiting) look()
  }
  const { begun, stop } = watchFiles(paths, report, lookEveryMs)
  onTestFinished(stop)
  await begun
  return {
    stop,
    reports: () => reports,
    reported: (count: number) =>
      new Promise<void>((resolve) => {
        const look = (): void => (reports >= count ? resolve() : undefined)
        waiting.add(look)
        look()
      }),
  }
}

/** Resolves when every watch has looked several times more, since another one has seen two changes. */
async function allHaveLooked(): Promise<void> {
  const path = join(await temporaryFolder(), 'seen by another watch')
  const other = await watch([path])
  for (const count of [1, 2]) {
    await appendFile(path, 'x')
    await other.reported(count)
  }
  other.stop()
}

async function folderWithFile() {
  const folder = await temporaryFolder()
  const path = join(folder, 'passwd')
  await writeFile(path, 'first')
  return { folder, path }
}

describe('A watch on files', () => {
  it.each<[string, (path: string, beside: string) => Promise<void>]>([
    ['is written to', (path) => appendFile(path, 'x')],
    ['gets another content of the same length', (path) => writeFile(path, 'other')],
    [
      'is replaced by another of the same content',
      async (path, beside) => {
        await writeFile(beside, 'first')
        await rename(beside, path)
      },
    ],
    ['is removed', (path) => rm(path)],
    [
      'gives way to a folder',
      async (path) => {
        await rm(path)
        await mkdir(path)
      },
    ],
  ])('reports once that a file %s', async (_what, change) => {
    const { folder, path } = await folderWithFile()
    const { reports, reported } = await watch([join(folder, 'another file'), path])
    await change(path, join(folder, 'beside'))
    await reported(1)
    await allHaveLooked()
    expect(reports()).toBe(1)
  })

  it('reports once that a file has appeared, also with the folder around it', async () => {
    const folder = join(await temporaryFolder(), 'later')
    const { reports, reported } = await watch([join(folder, 'passwd')])
    await mkdir(folder)
    await writeFile(join(folder, 'passwd'), '')
    await reported(1)
    await allHaveLooked()
    expect(reports()).toBe(1)
  })

  it('reports once that a symbolic link was turned over, as a mounted ConfigMap is', async () => {
    const folder = await temporaryFolder()
    for (const version of ['old', 'new']) {
      await mkdir(join(folder, version))
      await writeFile(join(folder, version, 'passwd'), 'the same')
    }
    await symlink('old', join(folder, 'current'))
    const { reports, reported } = await watch([join(folder, 'current', 'passwd')])
    await symlink('new', join(folder, 'next'))
    await rename(join(folder, 'next'), join(folder, 'current'))
    await reported(1)
    await allHaveLooked()
    expect(reports()).toBe(1)
  })

  it('reports changes of several files at the same time once, and each later one', async () => {
    const { folder, path } = await folderWithFile()
    const other = join(folder, 'acl.conf')
    const { reports, reported } = await watch([path, other])
    await Promise.all([appendFile(path, 'x'), writeFile(other, 'x')])
    await reported(1)
    await allHaveLooked()
    expect(reports()).toBe(1)
    await rm(other)
    await reported(2)
    await appendFile(path, 'x')
    await reported(3)
  })

  it('leaves a file that is being written alone until it rests', async () => {
    const { path } = await folderWithFile()
    // Longer than a busy machine may take for one of the writes.
    const lookEveryMs = 200
    const { reports, reported } = await watch([path], lookEveryMs)
    const untilMs = performance.now() + 5 * lookEveryMs
    const seen = new Set<number>()
    while (performance.now() < untilMs) {
      await appendFile(path, 'x')
      seen.add(reports())
    }
    expect([...seen]).toEqual([0])
    await reported(1)
    await allHaveLooked()
    expect(reports()).toBe(1)
  })

  it('reports nothing once it is stopped, also in the middle of a look', async () => {
    const { path } = await folderWithFile()
    const reports: string[] = []
    const between = watchFiles([path], () => reports.push('between looks'), LOOK_EVERY_MS)
    await between.begun
    await appendFile(path, 'x')
    between.stop()
    const during = watchFiles([path], () => reports.push('during a look'), LOOK_EVERY_MS)
    during.stop()
    await during.begun
    await appendFile(path, 'x')
    await allHaveLooked()
    expect(reports).toEqual([])
  })

  it.each<[string, (folder: string) => Promise<void>]>([
    ['is a file', (folder) => writeFile(folder, '')],
    ['is a symbolic link to itself', (folder) => symlink(folder, folder)],
  ])('bears with a folder that %s, and reports what is in it later', async (_what, make) => {
    const folder = join(await temporaryFolder(), 'folder')
    await make(folder)
    const { reports, reported } = await watch([join(folder, 'passwd')])
    await allHaveLooked()
    expect(reports()).toBe(0)
    await rm(folder)
    await mkdir(folder)
    await writeFile(join(folder, 'passwd'), '')
    await reported(1)
  })
})
