import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cheapHash } from './authenticator.js'
import { temporaryFolder } from './temporary-folder.js'

/** A working directory for a server whose files name these users, each with its password, and these rules. */
export async function folderWithUsers(users: Readonly<Record<string, string>>, acl = ''): Promise<string> {
  const folder = await temporaryFolder()
  const config = join(folder, 'config')
  await mkdir(config)
  const lines = Object.entries(users).map(([user, password]) => `${user}:${cheapHash(password).text}\n`)
  await writeFile(join(config, 'passwd'), lines.join(''))
  await writeFile(join(config, 'acl.conf'), acl)
  return folder
}
