import { existsSync } from 'node:fs'
import { chmod, chown, mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Settings } from '../config/options.js'
import { lockState } from '../store/open-state.js'
import { StoreError } from '../store/store-error.js'
import { listArchive, unpack } from './archive.js'
import type { CliContext } from './cli-context.js'
import { DATABASE_NAME, type DataFile, dataFiles, LOCKED_NAMES } from './data-files.js'
import { oneFile } from './one-file.js'
import { CommandError, runCommand } from './run-command.js'

const HELP = `Usage: damselfly restore FILE

Puts what damselfly backup has copied into FILE back, into a DATA_DIR that is empty or absent, and that no server
uses. Sessions are as they were then: what subscribers have acknowledged since comes to them again.
`

/**
 * `damselfly restore FILE`, which puts a backup into an empty `DATA_DIR`.
 *
 * @param argv what follows `restore` on the command line
 * @returns the exit code: 0; 1 when it could not be done; 2 when called wrongly
 */
export function restoreCommand(argv: readonly string[], context: CliContext): Promise<number> {
  return runCommand(context, 'restore', async () => {
    const file = oneFile(argv)
    if (file === undefined) {
      context.stdout.write(HELP)
      return
    }
    const names = await restore(context.settings, file)
    context.stdout.write(`${context.settings.DATA_DIR} has ${names.join(' ')}\n`)
  })
}

async function restore(settings: Settings, file: string): Promise<readonly string[]> {
  const files = await filesOf(file, settings)
  const folder = settings.DATA_DIR
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const unlock = await lockAll(folder)
  try {
    await refuseWhatIsThere(folder, files)
    const unpacked = await mkdtemp(join(folder, '.restore-'))
    try {
      const names = files.map(({ name }) => name)
      await unpack(file, names, unpacked)
      for (const { name, path } of files) await put(join(unpacked, name), path)
      return names
    } finally {
      await rm(unpacked, { recursive: true, force: true })
    }
  } finally {
    unlock()
  }
}

/** What is in the archive, and where it belongs. */
async function filesOf(file: string, settings: Settings): Promise<readonly DataFile[]> {
  if (!existsSync(file)) throw CommandError.failed(`${file} does not exist`)
  const names = await listArchive(file)
  const known = dataFiles(settings)
  const isEmbedded = known.some(({ name }) => name === DATABASE_NAME)
  if (names.includes(DATABASE_NAME) !== isEmbedded) {
    const [made, set] = isEmbedded ? ['elsewhere', 'embedded'] : ['embedded', 'elsewhere']
    throw CommandError.failed(
      `${file} was made with a database that is ${made}, and DATABASE_URL or DB_HOST has it ${set}`,
    )
  }
  const files = known.filter(({ name }) => names.includes(name))
  if (files.length === names.length) return files
  throw CommandError.failed(`${file} is no backup of Damselfly, or one of a newer version`)
}

/** Keeps servers out until the returned function is called. */
async function lockAll(folder: string): Promise<() => void> {
  const unlocks: (() => void)[] = []
  const unlock = (): void => {
    for (const one of unlocks) one()
  }
  try {
    for (const name of LOCKED_NAMES) unlocks.push(await lockState(join(folder, name)))
    return unlock
  } catch (error) {
    unlock()
    if (!(error instanceof StoreError)) throw error
    throw CommandError.failed(`a server uses ${folder} (${error.message}); nothing was changed`)
  }
}

async function refuseWhatIsThere(folder: string, files: readonly DataFile[]): Promise<void> {
  const locks = new Set(LOCKED_NAMES.map((name) => `${name}.lock`))
  const inFolder = (await readdir(folder)).filter((name) => !locks.has(name.replace(/-journal$/, '')))
  const elsewhere = files.map(({ path }) => path).filter((path) => dirname(path) !== folder)
  const present = [
    ...inFolder.map((name) => join(folder, name)),
    ...elsewhere.filter((path) => existsSync(path)),
  ]
  if (present.length === 0) return
  throw CommandError.failed(`${present.join(' ')} is there; move it away, or restore into another DATA_DIR`)
}

/** Moves a file to its place, for the user whose folder it is. */
async function put(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true, mode: 0o700 })
  await chmod(from, 0o600)
  if (process.getuid?.() === 0) {
    const { uid, gid } = await stat(dirname(to))
    await chown(from, uid, gid)
  }
  await rename(from, to)
}
