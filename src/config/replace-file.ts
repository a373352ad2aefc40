import { randomBytes } from 'node:crypto'
import type { Stats } from 'node:fs'
import { type FileHandle, mkdir, open, realpath, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

/** A folder that takes no new file may hold one that can be written: a file mounted into a container. */
const CANNOT_CREATE = new Set(['EACCES', 'EPERM', 'EROFS'])

/** A file that is itself a mount point cannot be renamed over (rename(2): EBUSY; EXDEV across mounts). */
const CANNOT_RENAME = new Set(['EBUSY', 'EXDEV'])

/**
 * Makes `data` the whole content of the file at `path`, so that a crash at any moment leaves either the old
 * content or the new: a temporary file beside it, fsync, rename, fsync of the folder. A symbolic link stays a
 * link; a mounted file, or one in a folder that takes no new file, is rewritten in place and keeps its mode.
 * The folder is made where it is missing.
 *
 * The file gets `mode`, by default for its owner alone, beside which a group that could read it before still
 * can. Run by root, it keeps the owner it had, or takes its folder's, so that the server can read it.
 *
 * @throws the error of the file system, with its `code`, when neither way works.
 */
export async function replaceFile(path: string, data: string | Buffer, mode = 0o600): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  const destination = (await existing(realpath(path))) ?? path
  const before = await existing(stat(destination))
  const owner = before ?? (await stat(dirname(destination)))
  const name = `.${basename(destination)}.${randomBytes(6).toString('hex')}.tmp`
  const temporary = join(dirname(destination), name)
  try {
    await writeTemporary(temporary, data, owner, mode | ((before?.mode ?? 0) & 0o040))
    await rename(temporary, destination)
  } catch (error) {
    await rm(temporary, { force: true })
    if (before === undefined || !canRewrite(error)) throw error
    await rewrite(destination, data)
    return
  }
  await syncFolder(dirname(destination))
}

function canRewrite(error: unknown): boolean {
  const code = errorCode(error)
  return code !== undefined && (CANNOT_CREATE.has(code) || CANNOT_RENAME.has(code))
}

async function writeTemporary(
  path: string,
  data: string | Buffer,
  owner: Stats,
  mode: number,
): Promise<void> {
  await using(await open(path, 'wx', 0o600), async (file) => {
    await file.writeFile(data)
    if (process.getuid?.() === 0) await file.chown(owner.uid, owner.gid)
    await file.chmod(mode)
    await file.sync()
  })
}

async function rewrite(path: string, data: string | Buffer): Promise<void> {
  await using(await open(path, 'r+'), async (file) => {
    const bytes = Buffer.from(data)
    // Written over, then cut: a crash in between leaves a file whose tail is old, not an empty one.
    await file.write(bytes, 0, bytes.length, 0)
    await file.truncate(bytes.length)
    await file.sync()
  })
}

async function syncFolder(path: string): Promise<void> {
  await using(await open(path, 'r'), (folder) => folder.sync())
}

async function using(file: FileHandle, work: (file: FileHandle) => Promise<void>): Promise<void> {
  try {
    await work(file)
  } finally {
    await file.close()
  }
}

/** What `found` resolves to, or `undefined` where there is no such file. */
async function existing<T>(found: Promise<T>): Promise<T | undefined> {
  try {
    return await found
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw error
  }
}

/** The `code` of an error of the system, such as `ENOENT`. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}
