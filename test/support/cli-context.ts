import { PassThrough } from 'node:stream'
import type { CliContext } from '#src/cli/cli-context.js'
import { loadSettings } from '#src/config/load.js'

/** A context with settings from `environment` and `input` as the whole of standard input. */
export function cliContext(environment: Record<string, string>, input: string | Buffer = '') {
  const stdin = new PassThrough()
  stdin.end(input)
  let [out, err] = ['', '']
  const context: CliContext = {
    settings: loadSettings(environment, '/nonexistent'),
    stdin,
    stdout: { write: (text) => (out += text) },
    stderr: { write: (text) => (err += text) },
  }
  return { context, out: () => out, err: () => err }
}
