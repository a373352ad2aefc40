import { copyFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { temporaryFolder } from './temporary-folder.js'

/** A copy of a folder as a server that is killed now would leave it: with its files, and without its locks. */
export async function leftByCrash(folder: string): Promise<string> {
  const copy = await temporaryFolder()
  const names = (await readdir(folder)).filter((name) => /\.(db|db-wal|alive)$/.test(name))
  for (const name of names) await copyFile(join(folder, name), join(copy, name))
  return copy
}
