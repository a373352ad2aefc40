import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseEnv } from 'node:util'
import { ConfigError } from './config-error.js'
import type { Option } from './option.js'
import { options, type Settings } from './options.js'
import { fileVariable, readSecretFile, type Source } from './secret-file.js'

/**
 * Reads every setting from `environment`, and from the `.env` file in `folder` where the environment has
 * none; an empty value counts as absent. A secret may stand in a file instead, which `NAME_FILE` names.
 *
 * @throws ConfigError CONFIG_VALUE for the first value that is out of its range, CONFIG_FILE for a `.env` or
 *   the file of a secret that cannot be read, CONFIG_CONFLICT for a secret that stands in both places.
 */
export function loadSettings(environment: NodeJS.ProcessEnv, folder: string): Settings {
  const file = readEnvFile(resolve(folder, '.env'))
  const sourceOf = (name: string): Source | undefined => {
    const value = environment[name]
    if (value !== undefined && value !== '') return { value, origin: 'environment' }
    const fallback = file[name]
    return fallback === undefined || fallback === '' ? undefined : { value: fallback, origin: '.env' }
  }
  const entries = Object.entries(options).map(([name, option]: [string, Option<unknown>]) => {
    const source = option.isSecret === true ? secretSource(name, sourceOf, folder) : sourceOf(name)
    return [name, readOption(name, option, source)]
  })
  return Object.freeze(Object.fromEntries(entries))
}

function secretSource(
  name: string,
  sourceOf: (name: string) => Source | undefined,
  folder: string,
): Source | undefined {
  const [direct, file] = [sourceOf(name), sourceOf(fileVariable(name))]
  if (file === undefined) return direct
  if (direct === undefined) return readSecretFile(fileVariable(name), file.value, folder)
  throw new ConfigError(
    'CONFIG_CONFLICT',
    `${name} (${direct.origin}) and ${fileVariable(name)} (${file.origin}) are both set; keep one of them`,
  )
}

function readOption(name: string, option: Option<unknown>, source: Source | undefined): unknown {
  if (source === undefined) return option.default
  const value = option.read(source.value)
  if (value !== undefined) return value
  const seen = option.isSecret ? '(not shown)' : JSON.stringify(source.value)
  throw new ConfigError('CONFIG_VALUE', `${name} = ${seen} (${source.origin}); expected ${option.expected}`)
}

function readEnvFile(path: string): NodeJS.Dict<string> {
  if (!existsSync(path)) return {}
  try {
    return parseEnv(readFileSync(path, 'utf8'))
  } catch (error) {
    throw new ConfigError('CONFIG_FILE', `${path} cannot be read (${String(error)}); check its permissions`)
  }
}
