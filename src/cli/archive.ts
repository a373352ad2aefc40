import { execFile } from 'node:child_process'
import { lstat } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { CommandError } from './run-command.js'

// A tar file, compressed: what everybody can look into. The program `tar` is part of every system that this runs
// on, and streams what is larger than memory.

/** Makes the archive `file` of those files of `folder`. */
export async function pack(folder: string, names: readonly string[], file: string): Promise<void> {
  await tar(['-czf', file, '-C', folder, ...names])
}

/** The names in the archive `file`, in their order. */
export async function listArchive(file: string): Promise<readonly string[]> {
  return (await tar(['-tzf', file])).split('\n').filter((name) => name !== '')
}

/** Unpacks the archive `file`, whose names have been looked at, into `folder`, which is empty. */
export async function unpack(file: string, names: readonly string[], folder: string): Promise<void> {
  await tar(['-xozf', file, '-C', folder])
  for (const name of names) {
    if ((await lstat(join(folder, name))).isFile()) continue
    throw CommandError.failed(`${file}: ${name} is no file; this is no backup of Damselfly`)
  }
}

async function tar(args: readonly string[]): Promise<string> {
  try {
    return (await promisify(execFile)('tar', args)).stdout
  } catch (error) {
    const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT'
    if (isMissing) throw CommandError.failed('the program tar is needed; install it')
    const text = error instanceof Error && 'stderr' in error ? String(error.stderr) : String(error)
    throw CommandError.failed(text.trim().split('\n').join('; '))
  }
}
