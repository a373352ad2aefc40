import { chown, mkdir, readFile, rm, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { errorCode, replaceFile } from '../../config/replace-file.js'
import { CommandError } from '../run-command.js'
import type { PlannedFile } from './plan-files.js'

/**
 * Writes all the files or, when one cannot be written, none: then those before it are as they were.
 *
 * @throws CommandError with the name of the file that could not be written
 */
export async function writeFiles(files: readonly PlannedFile[]): Promise<void> {
  const undo: (() => Promise<void>)[] = []
  for (const { path, content, mode } of files) {
    try {
      const made = await makeFolder(dirname(resolve(path)))
      if (made !== undefined) undo.push(() => rm(made, { recursive: true }))
      undo.push(await restorer(path))
      await replaceFile(path, content, mode)
    } catch (error) {
      for (const step of undo.reverse()) await step()
      throw CommandError.failed(`${path} cannot be written (${errorCode(error)}); nothing was changed`)
    }
  }
}

/**
 * Makes a folder and those above it that are missing, and returns the topmost that it made. Run by root, they
 * belong to the owner of the folder around them, so that a server which does not run as root can use them.
 */
async function makeFolder(path: string): Promise<string | undefined> {
  const made = await mkdir(path, { recursive: true })
  if (made === undefined || process.getuid?.() !== 0) return made
  const { uid, gid } = await stat(dirname(made))
  for (let folder = path; folder.length >= made.length; folder = dirname(folder))
    await chown(folder, uid, gid)
  return made
}

async function restorer(path: string): Promise<() => Promise<void>> {
  try {
    const [before, { mode }] = await Promise.all([readFile(path), stat(path)])
    return () => replaceFile(path, before, mode & 0o777)
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error
    return () => rm(path, { force: true })
  }
}
