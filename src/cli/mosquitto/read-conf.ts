import { readdir, readFile } from 'node:fs/promises'
import { dirname, isAbsolute, join, resolve } from 'node:path'
import { errorCode } from '../../config/replace-file.js'
import { CommandError } from '../run-command.js'

/** A line of a mosquitto.conf that says something. */
export interface ConfLine {
  /** The file, as it was named. */
  readonly path: string
  /** From 1. */
  readonly number: number
  /** The whole line, without its end. */
  readonly text: string
  readonly name: string
  /** What follows the name, without the blanks around it. */
  readonly value: string
  /**
   * The `listener` line that it stands under. `undefined` for the default listener: an included file starts
   * with that one again, as in Mosquitto.
   */
  readonly section: ConfLine | undefined
}

/** They make or describe a listener of their own, wherever they stand. */
const OUTSIDE_SECTIONS = new Set(['listener', 'port', 'bind_address'])

/** What to do when a file of Mosquitto's is closed to whoever runs the command. */
export const HOW_TO_READ =
  'run this as root or as the user mosquitto, or copy the files to where you can read them'

/**
 * The lines of the mosquitto.conf at `path` and, at the place of each `include_dir`, of the files there.
 *
 * @throws CommandError when one of these files cannot be read.
 */
export async function readConf(path: string): Promise<readonly ConfLine[]> {
  const lines = parseConf(path, await contentOf(path))
  const included = lines.map(async (line) => {
    if (line.name !== 'include_dir' || line.value === '') return [line]
    const paths = await confFilesIn(await besideConf(line))
    const files = paths.map(async (file) => parseConf(file, await contentOf(file)))
    return [line, ...(await Promise.all(files)).flat()]
  })
  return (await Promise.all(included)).flat()
}

/** The lines of one file: no comments, which have their # in the first column, and no blank ones. */
export function parseConf(path: string, content: string): readonly ConfLine[] {
  let section: ConfLine | undefined
  return content.split('\n').flatMap((end, index) => {
    const text = end.replace(/\r+$/, '')
    const match = /^\s*(\S+)\s*(.*?)\s*$/.exec(text)
    if (match === null || text.startsWith('#')) return []
    const [, name = '', value = ''] = match
    const isOutside = OUTSIDE_SECTIONS.has(name)
    const line = { path, number: index + 1, text, name, value, section: isOutside ? undefined : section }
    if (name === 'listener') section = line
    return [line]
  })
}

/** Where a line stands, as `file:number`. */
export function placeOf({ path, number }: ConfLine): string {
  return `${path}:${number}`
}

/**
 * The order in which Mosquitto reads the files of a folder (mosquitto.conf(5), `include_dir`): alphabetical,
 * and of one letter in both cases the upper one first.
 */
export function compareConfNames(a: string, b: string): number {
  const [left, right] = [Buffer.from(a), Buffer.from(b)]
  const at = left.findIndex((byte, index) => byte !== right[index])
  if (at === -1) return left.length - right.length
  const [first = 0, second = 0] = [left[at], right[at]]
  return upper(first) - upper(second) || first - second
}

function upper(byte: number): number {
  return byte >= 0x61 && byte <= 0x7a ? byte - 0x20 : byte
}

async function contentOf(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw unreadable(path, error)
  }
}

async function confFilesIn(folder: string): Promise<string[]> {
  try {
    const names = (await readdir(folder)).filter((name) => /.\.conf$/.test(name))
    return names.sort(compareConfNames).map((name) => join(folder, name))
  } catch (error) {
    throw unreadable(folder, error)
  }
}

/** A folder that is named relative to Mosquitto's working directory, or else to the file that names it. */
async function besideConf({ path, value }: ConfLine): Promise<string> {
  if (isAbsolute(value)) return value
  const isHere = await readdir(resolve(value)).then(
    () => true,
    (error: unknown) => errorCode(error) !== 'ENOENT',
  )
  return isHere ? value : join(dirname(path), value)
}

function unreadable(path: string, error: unknown): CommandError {
  const code = errorCode(error)
  const remedy = code === 'ENOENT' ? 'check the path' : HOW_TO_READ
  return CommandError.failed(`${path} cannot be read (${code}); ${remedy}`)
}
