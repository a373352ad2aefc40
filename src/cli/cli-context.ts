import type { Settings } from '../config/options.js'

/** What a command works with, in place of `process`. */
export interface CliContext {
  readonly settings: Settings
  readonly stdin: NodeJS.ReadableStream & { readonly isTTY?: boolean }
  readonly stdout: Output
  readonly stderr: Output
}

interface Output {
  write(text: string): unknown
}
