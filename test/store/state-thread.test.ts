import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { openState } from '#src/store/open-state.js'
import { startStateThread } from '#src/store/sqlite/start-state-thread.js'
import type { StateKind } from '#src/store/state.js'
import type { StateThread } from '#src/store/state-thread.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const KIND: StateKind = {
  holds: 'numbers',
  tables: ['CREATE TABLE IF NOT EXISTS number (value INTEGER NOT NULL UNIQUE)'],
}

const add = (value: number) => ({ sql: 'INSERT INTO number VALUES (?)', args: [value] })
const all = { sql: 'SELECT value FROM number ORDER BY value', args: [] }

function thread(): StateThread {
  const started = startStateThread()
  onTestFinished(started.stop)
  return started
}

test('Files of one thread are written at the same time, each in its order', async () => {
  const folder = await temporaryFolder()
  const { open } = thread()
  const files = await Promise.all(['a', 'b', 'c'].map((name) => open(join(folder, name), KIND)))
  const written = files.map(async (file, which) => {
    for (let value = 0; value < 50; value += 1) await file.write([add(value * 10 + which)])
  })
  await Promise.all(written)
  for (const [which, file] of files.entries()) {
    expect(await file.read(all)).toEqual(Array.from({ length: 50 }, (_, value) => [value * 10 + which]))
    await file.close()
  }
})

test('A statement that fails in one file leaves the commits of the others', async () => {
  const folder = await temporaryFolder()
  const { open } = thread()
  const [one, other] = [await open(join(folder, 'one'), KIND), await open(join(folder, 'other'), KIND)]
  const outcomes = await Promise.allSettled([one.write([add(1), add(1)]), other.write([add(1)])])
  expect(outcomes).toMatchObject([
    { status: 'rejected', reason: { code: 'STORE_REJECTED' } },
    { status: 'fulfilled' },
  ])
  expect([await one.read(all), await other.read(all)]).toEqual([[], [[1]]])
})

test('A file that is closed can be opened elsewhere, while its thread goes on with others', async () => {
  const folder = await temporaryFolder()
  const path = join(folder, 'one')
  const { open } = thread()
  const [one, other] = [await open(path, KIND), await open(join(folder, 'other'), KIND)]
  await one.write([add(1)])
  await one.close()
  await expect(one.write([add(2)])).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
  const again = await openState(path, KIND)
  expect(await again.read(all)).toEqual([[1]])
  await again.close()
  await other.write([add(3)])
  expect(await other.read(all)).toEqual([[3]])
})

test('A file that is refused is not kept locked', async () => {
  const path = join(await temporaryFolder(), 'one')
  const made = await openState(path, KIND)
  await made.close()
  const foreign: StateKind = { holds: 'letters', tables: ['CREATE TABLE IF NOT EXISTS letter (value TEXT)'] }
  const { open } = thread()
  await expect(open(path, foreign)).rejects.toMatchObject({ code: 'STORE_REJECTED' })
  const again = await openState(path, KIND)
  await again.close()
})

test('A thread that is stopped at once, before it has loaded, ends without the process', async () => {
  const { open, stop } = thread()
  await stop()
  await expect(open('never', KIND)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
})

test('A thread that is stopped in the middle of its work finishes it, and does not abort the process', async () => {
  const folder = await temporaryFolder()
  for (let moment = 0; moment < 20; moment += 1) {
    const { open, stop } = startStateThread()
    await open(join(folder, `${moment}-loaded`), KIND)
    const opening = open(join(folder, `${moment}-opening`), KIND).then(
      () => 'opened',
      () => 'ended',
    )
    for (let turn = 0; turn < moment; turn += 1) await nextTurn()
    await stop()
    expect(['opened', 'ended']).toContain(await opening)
  }
})
