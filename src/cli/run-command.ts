import { ConfigError } from '../config/config-error.js'
import type { CliContext } from './cli-context.js'

/** Ends a command with one line on standard error. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
  readonly exitCode: number

  private constructor(exitCode: number, message: string) {
    super(message)
    this.exitCode = exitCode
  }

  /** It was called wrongly: exit code 2, as is the shell's custom. */
  static usage(message: string): CommandError {
    return new CommandError(2, message)
  }

  /** It was called rightly and could not be done: exit code 1. */
  static failed(message: string): CommandError {
    return new CommandError(1, message)
  }

  /** Ctrl-C: exit code 130, which is 128 and the number of SIGINT. */
  static interrupted(): CommandError {
    return new CommandError(130, 'interrupted; nothing was changed')
  }
}

/** Runs the body of a command: 0 when it returns, else the error's code after its message as one line. */
export async function runCommand(
  context: CliContext,
  name: string,
  body: () => Promise<void>,
): Promise<number> {
  try {
    await body()
    return 0
  } catch (error) {
    if (!(error instanceof CommandError || error instanceof ConfigError)) throw error
    context.stderr.write(`damselfly ${name}: ${error.message}\n`)
    return error instanceof CommandError ? error.exitCode : 1
  }
}
