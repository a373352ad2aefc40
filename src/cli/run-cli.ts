import type { Settings } from '../config/options.js'
import type { CliContext } from './cli-context.js'

const HELP = `Usage: damselfly [COMMAND]

  start     run the server (also without a command)
  check     read the configuration, connect to the database and Redis, and say what would run
  passwd    set, delete and list the users of the password file
  device    add, list, show, rotate and remove devices in the database
  acl       say whether a user may publish to or receive a topic, and which rule decides
  certs     make the CA and the server certificate now
  import-mosquitto
            take over the settings, users and certificates of a mosquitto.conf
  backup    copy what the server keeps in DATA_DIR into one file, while it runs
  restore   put such a file back, into an empty DATA_DIR

damselfly COMMAND --help says more. Settings come from the environment or a .env file in the working
directory; docs/settings.md lists them.
`

/** What the command line needs of the process. */
export interface CliParts {
  /** Runs the server, and returns the exit code. */
  readonly serve: () => Promise<number>
  /** Reads the settings; throws a ConfigError when one is wrong. */
  readonly readSettings: () => Settings
}

type Command = (argv: readonly string[], context: CliContext) => Promise<number>

/** Each loads what it needs, and nothing else. */
const commands: ReadonlyMap<string, () => Promise<Command>> = new Map([
  ['check', async () => (await import('./check.js')).checkCommand],
  ['passwd', async () => (await import('./passwd.js')).passwdCommand],
  ['device', async () => (await import('./device.js')).deviceCommand],
  ['acl', async () => (await import('./acl.js')).aclCommand],
  ['certs', async () => (await import('./certs.js')).certsCommand],
  ['import-mosquitto', async () => (await import('./import-mosquitto.js')).importMosquittoCommand],
  ['backup', async () => (await import('./backup.js')).backupCommand],
  ['restore', async () => (await import('./restore.js')).restoreCommand],
])

/**
 * Runs what the command line asks for and returns the exit code: 0, 1 when it could not be done, 2 when it
 * was called wrongly.
 */
export async function runCli(argv: readonly string[], { serve, readSettings }: CliParts): Promise<number> {
  const [name = 'start', ...rest] = argv
  if (name === '--help' || name === '-h' || name === 'help') {
    process.stdout.write(HELP)
    return 0
  }
  if (name === 'start') return start(rest, serve)
  const loadCommand = commands.get(name)
  if (loadCommand === undefined) {
    process.stderr.write(`damselfly: unknown command ${JSON.stringify(name)}\n\n${HELP}`)
    return 2
  }
  const { stdin, stdout, stderr } = process
  const command = await loadCommand()
  return command(rest, {
    stdin,
    stdout,
    stderr,
    // Read when they are asked for, so that a wrong one does not keep the help from being shown.
    get settings() {
      return readSettings()
    },
  })
}

async function start(rest: readonly string[], serve: () => Promise<number>): Promise<number> {
  const [word] = rest
  if (word === undefined) return serve()
  if (word === '--help' || word === '-h') {
    process.stdout.write(HELP)
    return 0
  }
  process.stderr.write(
    `damselfly start: ${JSON.stringify(word)} is one word too many; settings come from the environment\n`,
  )
  return 2
}
