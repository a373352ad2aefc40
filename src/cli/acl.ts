import { parseArgs } from 'node:util'
import { compileAcl } from '../auth/acl.js'
import { readAclFile } from '../auth/acl-file.js'
import { accessOf } from '../auth/authenticate.js'
import type { Credential } from '../auth/identity.js'
import { accessPaths } from '../auth/open-access.js'
import { readPasswordFile } from '../auth/password-file.js'
import { databaseAddress } from '../config/database.js'
import type { Settings } from '../config/options.js'
import type { Device } from '../store/device.js'
import { openStore } from '../store/open-store.js'
import { StoreError } from '../store/store-error.js'
import type { CliContext } from './cli-context.js'
import { CommandError, runCommand } from './run-command.js'

const HELP = `Usage: damselfly acl test USER CLIENT_ID read|write TOPIC

Says whether a client with this user name and client id may receive (read) or publish to (write) a topic, and
which rule decides: a line of acl.conf, or one that is built in. An empty USER ('') is an anonymous client; a
uuid or device_id is a device. It judges by the files and the database as they are now, and changes nothing.
`

/** Who the user name is, and what is to be said of that. */
interface Who {
  readonly credential: Credential
  readonly description: string
}

/**
 * `damselfly acl`, which explains a decision.
 *
 * @param argv what follows `acl` on the command line
 * @returns the exit code: 0, whatever the decision; 1 when there is none; 2 when called wrongly
 */
export function aclCommand(argv: readonly string[], context: CliContext): Promise<number> {
  return runCommand(context, 'acl', async () => {
    const { isHelp, words } = parse(argv)
    if (isHelp) {
      context.stdout.write(HELP)
      return
    }
    const [user, clientId, wanted, topic] = checked(words)
    const { settings } = context
    const { passwordPath, aclPath } = accessPaths(settings)
    const file = await readAclFile(aclPath)
    const passwords = await readPasswordFile(passwordPath)
    const administrator = settings.MQTT_USERNAME ?? passwords.administrator
    const who = await identify(settings, user, passwords.users.get(user)?.text)
    const claim = { user: user === '' ? undefined : user, clientId, credential: who.credential }
    const access = accessOf({ acl: compileAcl(file), administrator }, claim)
    const { isAllowed, rule } = wanted === 'read' ? access.mayReceive(topic) : access.mayPublish(topic)
    context.stdout.write(`${isAllowed ? 'allow' : 'deny'}: ${rule}\n`)
    context.stdout.write(`(${who.description})\n`)
    for (const warning of file.warnings) context.stderr.write(`warning: ${warning}\n`)
  })
}

async function identify(settings: Settings, user: string, hash: string | undefined): Promise<Who> {
  if (user === '') {
    const isLetIn = settings.ALLOW_ANONYMOUS ? 'are let in' : 'are not let in: ALLOW_ANONYMOUS is off'
    return { credential: { kind: 'none' }, description: `anonymous clients ${isLetIn}` }
  }
  if (hash !== undefined) {
    return { credential: { kind: 'password', hash }, description: `${user} is a user of the password file` }
  }
  const device = await findDevice(settings, user)
  if (device !== undefined) {
    const state = device.isActive ? '' : ', disabled, so it cannot log in'
    return { credential: { kind: 'secret', device }, description: `${user} is a device${state}` }
  }
  const description = `${user} is neither a user of the password file nor a device: no password lets it in`
  return { credential: { kind: 'none' }, description }
}

async function findDevice(settings: Settings, name: string): Promise<Device | undefined> {
  const options = { zoneOffsetMinutes: settings.DB_TIME_ZONE }
  try {
    const store = await openStore(databaseAddress(settings), options)
    try {
      return await store.findDevice(name)
    } finally {
      await store.close()
    }
  } catch (error) {
    throw error instanceof StoreError ? CommandError.failed(error.message) : error
  }
}

function checked(
  words: readonly string[],
): readonly [user: string, clientId: string, wanted: 'read' | 'write', topic: string] {
  const [action, user, clientId, wanted, topic, extra] = words
  if (action !== 'test') {
    const seen = action === undefined ? 'no action' : `unknown action ${JSON.stringify(action)}`
    throw CommandError.usage(`${seen}; expected test USER CLIENT_ID read|write TOPIC (--help says more)`)
  }
  if (user === undefined || clientId === undefined || wanted === undefined || topic === undefined) {
    throw CommandError.usage('test needs USER CLIENT_ID read|write TOPIC (--help says more)')
  }
  if (extra !== undefined) throw CommandError.usage(`${JSON.stringify(extra)} is one word too many`)
  if (wanted !== 'read' && wanted !== 'write') {
    throw CommandError.usage(`${JSON.stringify(wanted)} is neither read nor write`)
  }
  // [MQTT-4.7.1-1]
  if (topic === '' || /[+#]/.test(topic)) {
    throw CommandError.usage(
      `${JSON.stringify(topic)} is no topic name: it has 1 character or more, and no + or #`,
    )
  }
  return [user, clientId, wanted, topic]
}

function parse(argv: readonly string[]): { isHelp: boolean; words: string[] } {
  try {
    const { values, positionals } = parseArgs({
      args: [...argv],
      options: { help: { type: 'boolean', short: 'h' } },
      allowPositionals: true,
    })
    return { isHelp: values.help === true, words: positionals }
  } catch (error) {
    throw CommandError.usage(error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error))
  }
}
