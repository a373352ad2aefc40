import { parseArgs } from 'node:util'
import { CommandError } from './run-command.js'

/**
 * The one word of a command line that is to have a single FILE; `undefined` where it asks for help.
 *
 * @throws CommandError with exit code 2 for any other command line.
 */
export function oneFile(argv: readonly string[]): string | undefined {
  const { values, positionals } = parsed(argv)
  if (values.help === true) return undefined
  const [file, extra] = positionals
  if (extra !== undefined) throw CommandError.usage(`${JSON.stringify(extra)} is one word too many`)
  if (file === undefined || file === '') throw CommandError.usage('it needs a file (--help says more)')
  return file
}

function parsed(argv: readonly string[]) {
  try {
    const options = { help: { type: 'boolean', short: 'h' } } as const
    return parseArgs({ args: [...argv], options, allowPositionals: true })
  } catch (error) {
    throw CommandError.usage(error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error))
  }
}
