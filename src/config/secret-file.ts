import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { ConfigError } from './config-error.js'

/** A value, and where it stands, as an error names it. */
export interface Source {
  readonly value: string
  readonly origin: string
}

/**
 * The variable that names the file of a secret, as Docker's secrets and systemd's credentials are handed over:
 * `DB_PASSWORD` → `DB_PASSWORD_FILE`.
 */
export function fileVariable(name: string): string {
  return `${name}_FILE`
}

/** A password is short; what is longer is another file. */
const MAX_CHARACTERS = 65_536

/**
 * The content of the file that `variable` names, without its last line break; a relative path begins in
 * `folder`.
 *
 * @throws ConfigError CONFIG_FILE for a file that cannot be read, is empty, or no text.
 */
export function readSecretFile(variable: string, path: string, folder: string): Source {
  const origin = `the file ${path} of ${variable}`
  const text = decode(readContent(variable, path, folder), origin)
  const value = text.replace(/\r?\n$/, '')
  if (value === '') throw new ConfigError('CONFIG_FILE', `${origin} is empty; write the secret into it`)
  return { value, origin }
}

function readContent(variable: string, path: string, folder: string): Buffer {
  try {
    return readFileSync(resolve(folder, path))
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new ConfigError(
      'CONFIG_FILE',
      `${variable} = ${JSON.stringify(path)} cannot be read (${reason}); check path and permissions`,
    )
  }
}

function decode(content: Buffer, origin: string): string {
  const text = content.toString('utf8')
  if (text.length <= MAX_CHARACTERS && !text.includes('\0') && Buffer.from(text).equals(content)) return text
  throw new ConfigError('CONFIG_FILE', `${origin} is no text in UTF-8 of at most 64 KiB`)
}
