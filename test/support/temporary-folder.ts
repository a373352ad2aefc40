import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

/** Calls back when what was begun is to end: for one test, the default of those who take one, or for several. */
export type AtEnd = (end: () => unknown) => void

/** Ends with the running test. */
export const withTest: AtEnd = (end) =>
  onTestFinished(async () => {
    await end()
  })

/** A new empty folder that is removed when the running test is over. */
export async function temporaryFolder(atEnd: AtEnd = withTest): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'damselfly-'))
  atEnd(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** A copy of a folder whose files are open, as a process that is killed now would leave it behind. */
export async function asLeftBehind(folder: string): Promise<string> {
  const copy = await temporaryFolder()
  await cp(folder, copy, { recursive: true })
  return copy
}
