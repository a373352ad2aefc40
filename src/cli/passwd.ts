import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { deleteUser, readPasswordFile, setPassword, userNameProblem } from '../auth/password-file.js'
import { hashPassword } from '../auth/password-hash.js'
import type { CliContext } from './cli-context.js'
import { readPassword } from './read-password.js'
import { CommandError, runCommand } from './run-command.js'

const HELP = `Usage: damselfly passwd set USER      add a user, or change the password of one
       damselfly passwd delete USER   remove a user
       damselfly passwd list          list the users

The users are in the file passwd of CONFIG_DIR, which Mosquitto and mosquitto_passwd read and write too.
set asks for the password twice; where standard input is not a terminal, its first line is the password.
`

const TAKEN_UP = 'a running server takes that up within a second'

/**
 * `damselfly passwd`, which edits the password file of `CONFIG_DIR`.
 *
 * @param argv what follows `passwd` on the command line
 * @returns the exit code: 0; 1 when it could not be done; 2 when called wrongly; 130 after Ctrl-C
 */
export function passwdCommand(argv: readonly string[], context: CliContext): Promise<number> {
  return runCommand(context, 'passwd', async () => {
    const { isHelp, words } = parse(argv)
    if (isHelp) {
      context.stdout.write(HELP)
      return
    }
    const [action, user, ...rest] = words
    const path = join(context.settings.CONFIG_DIR, 'passwd')
    if (rest.length > 0) throw CommandError.usage(`${JSON.stringify(rest[0])} is one word too many`)
    if (action === 'list' && user === undefined) return list(path, context)
    if (action === 'set') return set(path, checkedName(action, user), context)
    if (action === 'delete') return remove(path, checkedName(action, user), context)
    if (action === 'list') throw CommandError.usage('list takes no user')
    const seen = action === undefined ? 'no action' : `unknown action ${JSON.stringify(action)}`
    throw CommandError.usage(`${seen}; expected set USER, delete USER or list (--help says more)`)
  })
}

async function set(path: string, user: string, context: CliContext): Promise<void> {
  // A file that cannot be edited is better found before the password is typed.
  await readPasswordFile(path)
  const hash = await hashPassword(await readPassword(context, user))
  const what = (await setPassword(path, user, hash)) === 'added' ? 'added' : 'changed the password of'
  context.stdout.write(`${what} ${user} in ${path}; ${TAKEN_UP}\n`)
}

async function remove(path: string, user: string, context: CliContext): Promise<void> {
  const { administrator } = await readPasswordFile(path)
  if (!(await deleteUser(path, user)))
    throw CommandError.failed(`${path} has no user ${JSON.stringify(user)}`)
  context.stdout.write(`deleted ${user} from ${path}; ${TAKEN_UP}\n`)
  if (user === administrator) {
    context.stdout.write(`${user} was the administrator; now nobody is, until ${path} has that user again\n`)
  }
}

async function list(path: string, context: CliContext): Promise<void> {
  const { users, administrator, warnings } = await readPasswordFile(path)
  for (const warning of warnings) context.stderr.write(`damselfly passwd: ${warning}\n`)
  for (const user of users.keys()) {
    context.stdout.write(user === administrator ? `${user} (administrator)\n` : `${user}\n`)
  }
}

function checkedName(action: string, user: string | undefined): string {
  if (user === undefined) throw CommandError.usage(`${action} needs a user: damselfly passwd ${action} USER`)
  const problem = userNameProblem(user)
  if (problem !== undefined) throw CommandError.usage(`user ${JSON.stringify(user)}: a user name ${problem}`)
  return user
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
