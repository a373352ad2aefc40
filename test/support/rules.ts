import { pbkdf2Sync, randomBytes } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { IConnectPacket } from 'mqtt-packet'
import { connectRaw, type RawClient } from './raw-client.js'
import { ADMINISTRATOR, type LogLine, type Server, startServer } from './server.js'
import { temporaryFolder } from './temporary-folder.js'

/** What everyone's password is, unless a test says otherwise. */
export const PASSWORD = 'a password'

/** A line of `passwd` whose hash costs a single iteration. */
export function userLine(user: string, password = PASSWORD): string {
  const salt = randomBytes(12)
  const key = pbkdf2Sync(password, salt, 1, 64, 'sha512')
  return `${user}:$7$1$${salt.toString('base64')}$${key.toString('base64')}\n`
}

/** The administrator's, which has to stay in every `passwd` whose test needs that login. */
export const ADMINISTRATOR_LINE = userLine(ADMINISTRATOR.username, ADMINISTRATOR.password)

/** The two files of a server. */
export interface RuleFiles {
  readonly passwd: string
  readonly acl: string
}

/** Writes them where a server in `folder` looks for them, and tells where that is. */
export async function writeRules(folder: string, { passwd, acl }: RuleFiles): Promise<RuleFiles> {
  const paths = { passwd: join(folder, 'config', 'passwd'), acl: join(folder, 'config', 'acl.conf') }
  await mkdir(join(folder, 'config'))
  await writeFile(paths.passwd, passwd)
  await writeFile(paths.acl, acl)
  return paths
}

/** Starts a server with these files. */
export async function startWithRules(
  files: RuleFiles,
  environment: Readonly<Record<string, string>> = {},
): Promise<{ readonly server: Server; readonly paths: RuleFiles }> {
  const folder = await temporaryFolder()
  const paths = await writeRules(folder, files)
  return { server: await startServer(environment, folder), paths }
}

/** Logs a user in, under a client id of the same name unless `more` has one. */
export function logIn(
  server: Server,
  user: string,
  more: Partial<IConnectPacket> = {},
  password = PASSWORD,
): Promise<RawClient> {
  const login = { clientId: user, username: user, password: Buffer.from(password) }
  return connectRaw(server.port('mqtt'), { ...login, ...more })
}

/** Whether a line says that the files were read while the server ran. */
const isReading = ({ msg }: LogLine): boolean => msg.startsWith('read again')

/** Makes a change, and returns what the log says until so many readings of the files have followed it. */
export async function readAfter(
  server: Server,
  change: () => Promise<unknown>,
  readings = 1,
): Promise<readonly LogLine[]> {
  const before = server.log.length
  await change()
  await server.logged(() => server.log.slice(before).filter(isReading).length >= readings)
  return server.log.slice(before)
}
