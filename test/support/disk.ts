import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { run } from './run.js'
import { temporaryFolder } from './temporary-folder.js'

/** A small disk of its own, which can be filled, or fail, without harm to any other. */
export interface SmallDisk {
  /** Where it is mounted, for the processes that `command` starts; for all others it is an empty folder. */
  readonly path: string
  /** The same place for this process. */
  readonly outside: string
  /** What a command is to begin with, to see the disk, in the folder that holds `path`. */
  readonly command: readonly string[]
  /** Leaves no byte free. */
  fill(): Promise<void>
  /** Makes room again. */
  free(): Promise<void>
  /** Runs a program that sees the disk. Rejects when it fails. */
  run(program: string, ...args: readonly string[]): Promise<void>
}

/** Without privileges a user may mount what is in memory, in a name space of his own. */
const isRoot = process.getuid?.() === 0
const asRoot = isRoot ? [] : ['--user', '--map-root-user']
const intoUser = isRoot ? [] : ['--user', '--preserve-credentials']

const FILLING = 'filling'

/** A disk in memory, mounted at `data` in a new folder until the running test is over. */
export function memoryDisk(megabytes: number): Promise<SmallDisk> {
  return mountDisk(() => ['mount', '-t', 'tmpfs', '-o', `size=${megabytes}m,mode=700`, 'tmpfs'])
}

/** The same with a file system of the kind that turns read-only when it fails. Needs root. */
export async function fileDisk(megabytes: number): Promise<SmallDisk & { fail(): Promise<void> }> {
  if (!isRoot) throw new Error('only root may mount a file as a disk: run this test as root')
  const disk = await mountDisk(async (folder) => {
    const image = join(folder, 'image')
    await writeFile(image, '')
    await must('truncate', `--size=${megabytes}M`, image)
    await must('/sbin/mkfs.ext4', '-q', image)
    return ['mount', '-o', 'loop,errors=remount-ro', image]
  })
  return { ...disk, fail: () => disk.run('mount', '-o', 'remount,abort', disk.path) }
}

async function mountDisk(
  makeMount: (folder: string) => readonly string[] | Promise<readonly string[]>,
): Promise<SmallDisk> {
  const folder = await temporaryFolder()
  const path = join(folder, 'data')
  await mkdir(path)
  const mount = await makeMount(folder)
  // The disk lives as long as this process, which ends with its input.
  const keeper = spawn(
    'unshare',
    [...asRoot, '--mount', 'sh', '-c', '"$@" && echo mounted && exec cat', 'sh', ...mount, path],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  )
  await mounted(keeper)
  onTestFinished(async () => {
    keeper.stdin?.end()
    await once(keeper, 'close')
  })
  const outside = `/proc/${keeper.pid}/root${path}`
  const inside = ['nsenter', '--target', `${keeper.pid}`, ...intoUser, '--mount']
  const command = [...inside, 'sh', '-c', 'cd "$0" && exec "$@"', folder]
  return {
    path,
    outside,
    command,
    async fill() {
      // It ends with an error, when the disk is full.
      await run('dd', [
        'if=/dev/zero',
        `of=${join(outside, FILLING)}`,
        'bs=4k',
        'oflag=append',
        'conv=notrunc',
      ])
    },
    free: () => rm(join(outside, FILLING)),
    run: (program, ...args) => must(...command, program, ...args),
  }
}

async function mounted(keeper: ChildProcess): Promise<void> {
  const outcome = await Promise.race([once(keeper.stdout ?? keeper, 'data'), once(keeper, 'close')])
  if (!String(outcome[0]).startsWith('mounted')) throw new Error('cannot mount a disk for the test')
}

async function must(...command: readonly string[]): Promise<void> {
  const [program = '', ...args] = command
  const { code, stderr } = await run(program, args)
  if (code !== 0) throw new Error(`${command.join(' ')} ended with ${code}: ${stderr}`)
}

/**
 * Makes a folder one that this user's processes may read and not write, and returns what a command is to begin
 * with so that this holds for root as well.
 */
export async function belongsToAnother(folder: string): Promise<readonly string[]> {
  await chmod(folder, 0o555)
  onTestFinished(() => chmod(folder, 0o755))
  return isRoot ? ['setpriv', '--bounding-set=-dac_override,-dac_read_search,-fowner'] : []
}
