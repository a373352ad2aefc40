import { access, constants, lstat, readFile, stat } from 'node:fs/promises'
import { dirname, isAbsolute, join, resolve } from 'node:path'
import { parseEnv } from 'node:util'
import { errorCode } from '../../config/replace-file.js'
import { type ConfLine, HOW_TO_READ, placeOf } from './read-conf.js'
import { type Folders, renderEnv } from './render-env.js'
import type { TargetName, Translation } from './translate.js'

/** A file that the import writes. */
export interface PlannedFile {
  readonly path: string
  readonly content: string | Buffer
  readonly mode: number
  /** Where the content is from, for people. */
  readonly origin: string
}

/** What the import would write, and what keeps it from doing so. */
export interface FilePlan {
  readonly files: readonly PlannedFile[]
  /** Files that exist, and would be replaced. */
  readonly existing: readonly string[]
  /** What has to be put right first, each in a sentence. */
  readonly problems: readonly string[]
}

type Source = { readonly path: string; readonly content: Buffer } | { readonly problem: string }

/** Certificates are for everyone to read; the others, which hold secrets, for their owner alone. */
const PUBLIC_MODE = 0o644
const SECRET_MODE = 0o600
const MODES: Readonly<Record<TargetName, number>> = {
  passwd: SECRET_MODE,
  'acl.conf': SECRET_MODE,
  'server.key': SECRET_MODE,
  'server.crt': PUBLIC_MODE,
  'ca.crt': PUBLIC_MODE,
  'ca.crl': PUBLIC_MODE,
}

const ENV_FILE = '.env'

/** Reads all that is to be copied, and looks at where it goes. It writes nothing. */
export async function planFiles(
  translation: Translation,
  folders: Folders,
  confPath: string,
): Promise<FilePlan> {
  const files: PlannedFile[] = []
  const problems: string[] = []
  for (const [target, line] of translation.copies) {
    const path = targetPath(target, folders)
    const source = await readSource(line)
    if ('problem' in source) problems.push(source.problem)
    else if (target === 'server.key' && isEncrypted(source.content)) {
      const remedy = `openssl pkey -in ${source.path} -out ${path}`
      translation.ledger.refuse(
        line,
        `Damselfly cannot ask for the passphrase of a key; decrypt it: ${remedy}`,
      )
    } else files.push({ path, content: source.content, mode: MODES[target], origin: originOf(source, line) })
  }
  if (translation.rules !== undefined) {
    const path = targetPath('acl.conf', folders)
    const origin = 'rules that open what Mosquitto opens without an acl_file'
    files.push({ path, content: translation.rules, mode: SECRET_MODE, origin })
  }
  const env = renderEnv(translation.settings, folders, confPath, await keptSettings(problems))
  // Last, so that a crash on the way there leaves a server that would not start like this.
  files.push({ path: ENV_FILE, content: env, mode: SECRET_MODE, origin: 'the settings' })
  const existing: string[] = []
  for (const { path } of files) {
    if (await exists(path)) existing.push(path)
    else problems.push(...(await folderProblem(path)))
  }
  return { files, existing, problems: [...new Set(problems)] }
}

function targetPath(target: TargetName, { CONFIG_DIR, CERTS_DIR }: Folders): string {
  return join(target === 'passwd' || target === 'acl.conf' ? CONFIG_DIR : CERTS_DIR, target)
}

/** A relative path is meant from Mosquitto's working directory; where that was another, from the file's. */
async function readSource(line: ConfLine): Promise<Source> {
  const beside = join(dirname(line.path), line.value)
  const candidates = isAbsolute(line.value) ? [line.value] : [line.value, beside]
  for (const path of candidates) {
    try {
      return { path, content: await readFile(path) }
    } catch (error) {
      const code = errorCode(error)
      if (code === 'ENOENT') continue
      const problem = `${path} (${placeOf(line)}, ${line.name}) cannot be read (${code}); ${HOW_TO_READ}`
      return { problem }
    }
  }
  const tried = [...new Set(candidates.map((path) => resolve(path)))].join(' and ')
  return { problem: `${line.value} (${placeOf(line)}, ${line.name}) does not exist; looked for ${tried}` }
}

function originOf({ path }: { readonly path: string }, { value }: ConfLine): string {
  return path === value ? path : `${path} (relative to the file that names it)`
}

function isEncrypted(pem: Buffer): boolean {
  return /^-----BEGIN ENCRYPTED PRIVATE KEY|^Proc-Type: 4,ENCRYPTED/m.test(pem.toString('latin1'))
}

/** What an existing `.env` says: it may hold the address of the database. */
async function keptSettings(problems: string[]): Promise<NodeJS.Dict<string>> {
  try {
    return parseEnv(await readFile(ENV_FILE, 'utf8'))
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') problems.push(`${ENV_FILE} cannot be read (${errorCode(error)})`)
    return {}
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path)
    return true
  } catch {
    return false
  }
}

/** Looks whether a file could be made: whether the nearest folder that exists can be written to. */
async function folderProblem(path: string): Promise<string[]> {
  let folder = dirname(resolve(path))
  while (!(await exists(folder)) && folder !== dirname(folder)) folder = dirname(folder)
  try {
    if (!(await stat(folder)).isDirectory()) return [`${folder} is not a folder`]
    await access(folder, constants.W_OK | constants.X_OK)
    return []
  } catch (error) {
    return [`${folder} cannot be written to (${errorCode(error)}); check who owns it`]
  }
}
