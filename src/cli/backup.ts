import { existsSync } from 'node:fs'
import { copyFile, link, mkdtemp, open, rename, rm, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { databaseAddress, describeDatabase } from '../config/database.js'
import type { Settings } from '../config/options.js'
import { copyDatabaseFile } from '../store/open-state.js'
import { StoreError } from '../store/store-error.js'
import { pack } from './archive.js'
import type { CliContext } from './cli-context.js'
import { type DataFile, dataFiles } from './data-files.js'
import { oneFile } from './one-file.js'
import { CommandError, runCommand } from './run-command.js'

const HELP = `Usage: damselfly backup FILE

Copies what the server keeps in DATA_DIR, and the embedded database, into FILE, a tar file compressed with gzip,
while the server runs or not. All that was acknowledged before is in it. The folder of FILE needs room for twice
as much. Passwords, rules, certificates and settings are not in it, nor is a database or a Redis elsewhere.

damselfly restore FILE puts it back.
`

/**
 * `damselfly backup FILE`, which copies what a running server keeps.
 *
 * @param argv what follows `backup` on the command line
 * @returns the exit code: 0; 1 when it could not be done, and no FILE was made; 2 when called wrongly
 */
export function backupCommand(argv: readonly string[], context: CliContext): Promise<number> {
  return runCommand(context, 'backup', async () => {
    const file = oneFile(argv)
    if (file === undefined) {
      context.stdout.write(HELP)
      return
    }
    if (existsSync(file)) throw CommandError.failed(`${file} exists; name another one`)
    const names = await backUp(context.settings, resolve(file)).catch(asCommandError)
    context.stdout.write(`${file}, ${(await stat(file)).size} bytes: ${names.join(' ')}\n`)
    for (const line of elsewhere(context.settings)) context.stdout.write(`not in it: ${line}\n`)
  })
}

function elsewhere(settings: Settings): string[] {
  const database = databaseAddress(settings)
  const isElsewhere = database.kind === 'mysql'
  return [
    `users, rules and certificates (${settings.CONFIG_DIR}, ${settings.CERTS_DIR})`,
    ...(isElsewhere ? [`${describeDatabase(database)}; dump it after this, never before`] : []),
    ...(settings.REDIS_URL === undefined ? [] : ['sessions and retained messages, which are in Redis']),
  ]
}

/** Copies beside `file` first, so that it is there whole or not at all. */
async function backUp(settings: Settings, file: string): Promise<readonly string[]> {
  const present = dataFiles(settings).filter(({ path }) => existsSync(path))
  if (!present.some(({ isDatabase }) => isDatabase)) {
    throw CommandError.failed(`${settings.DATA_DIR} holds nothing that a server keeps`)
  }
  const folder = await mkdtemp(join(dirname(file), '.damselfly-backup-'))
  try {
    for (const one of present) await copy(one, join(folder, one.name))
    const names = present.map(({ name }) => name).filter((name) => existsSync(join(folder, name)))
    const made = join(folder, 'backup.tar.gz')
    await pack(folder, names, made)
    await putInPlace(made, file)
    return names
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function copy({ path, isDatabase }: DataFile, to: string): Promise<void> {
  if (isDatabase) {
    await copyDatabaseFile(path, to)
    return
  }
  await copyFile(path, to).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error // else it was renamed meanwhile, to the one that comes next
  })
}

async function putInPlace(made: string, file: string): Promise<void> {
  const handle = await open(made, 'r+')
  try {
    await handle.chmod(0o600)
    await handle.sync()
  } finally {
    await handle.close()
  }
  // A link never replaces what came there meanwhile; some file systems have none.
  await link(made, file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'EEXIST') throw error
    return rename(made, file)
  })
}

function asCommandError(error: unknown): never {
  if (error instanceof StoreError) throw CommandError.failed(error.message)
  if (error instanceof Error && 'code' in error && !(error instanceof CommandError)) {
    throw CommandError.failed(error.message)
  }
  throw error
}
