import { parseArgs } from 'node:util'
import type { CliContext } from './cli-context.js'
import { type FilePlan, planFiles } from './mosquitto/plan-files.js'
import { readConf } from './mosquitto/read-conf.js'
import { renderReport } from './mosquitto/render-report.js'
import { translate } from './mosquitto/translate.js'
import { writeFiles } from './mosquitto/write-files.js'
import { CommandError, runCommand } from './run-command.js'

const HELP = `Usage: damselfly import-mosquitto [--dry-run] [--force] FILE

Reads a mosquitto.conf, such as /etc/mosquitto/mosquitto.conf, with the files that it includes. It writes the
equivalent settings to .env in the working directory, copies the password and ACL files to CONFIG_DIR and the
certificates to CERTS_DIR, and lists every line that it does not honour, with the reason. Mosquitto's own
files stay as they are.

  --dry-run   print all of that, and write nothing
  --force     replace files that exist; what else .env holds is kept

Without --force it writes nothing where one of the files exists. Run it as a user who can read Mosquitto's
files: root, as a rule.
`

interface Words {
  readonly isHelp: boolean
  readonly isDryRun: boolean
  readonly isForced: boolean
  readonly path: string
}

/**
 * `damselfly import-mosquitto`, which sets Damselfly up as a Mosquitto is.
 *
 * @param argv what follows `import-mosquitto` on the command line
 * @returns the exit code: 0, also where lines are not honoured; 1 when it could not be done, and nothing was
 *   written; 2 when called wrongly
 */
export function importMosquittoCommand(argv: readonly string[], context: CliContext): Promise<number> {
  return runCommand(context, 'import-mosquitto', async () => {
    const words = parse(argv)
    if (words.isHelp) {
      context.stdout.write(HELP)
      return
    }
    const { CONFIG_DIR, CERTS_DIR } = context.settings
    const translation = translate(await readConf(words.path))
    const plan = await planFiles(translation, { CONFIG_DIR, CERTS_DIR }, words.path)
    const report = renderReport(translation, plan.files)
    if (words.isDryRun) context.stdout.write(`${report}Nothing was written: this is a dry run.\n`)
    refuseObstacles(plan, words.isForced)
    if (words.isDryRun) return
    await writeFiles(plan.files)
    context.stdout.write(`${report}${NEXT}`)
  })
}

const NEXT = `Written. Next:
  damselfly check    looks at all of it, and connects to the database
  damselfly          starts the server, once Mosquitto is stopped: they want the same ports
`

function refuseObstacles({ existing, problems }: FilePlan, isForced: boolean): void {
  const inTheWay = isForced ? [] : existing.map((path) => `${path} exists; --force replaces it`)
  const all = [...problems, ...inTheWay]
  if (all.length > 0) throw CommandError.failed(['nothing was written:', ...all].join('\n  '))
}

function parse(argv: readonly string[]): Words {
  const { values, positionals } = parsed(argv)
  const [path = '', extra] = positionals
  const isHelp = values.help === true
  if (extra !== undefined) throw CommandError.usage(`${JSON.stringify(extra)} is one word too many`)
  if (path === '' && !isHelp) {
    throw CommandError.usage('it needs a file, such as /etc/mosquitto/mosquitto.conf (--help says more)')
  }
  return { isHelp, isDryRun: values['dry-run'] === true, isForced: values.force === true, path }
}

function parsed(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        help: { type: 'boolean', short: 'h' },
        'dry-run': { type: 'boolean' },
        force: { type: 'boolean' },
      },
      allowPositionals: true,
    })
  } catch (error) {
    throw CommandError.usage(error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error))
  }
}
