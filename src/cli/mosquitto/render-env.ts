import { resolve } from 'node:path'
import { parseEnv } from 'node:util'
import { options, type Settings } from '../../config/options.js'
import { CommandError } from '../run-command.js'
import type { SettingList } from './setting-list.js'

/** The folders that take the files. */
export type Folders = Pick<Settings, 'CONFIG_DIR' | 'CERTS_DIR'>

/**
 * The content of the `.env` file.
 *
 * @param kept what the old `.env` has: settings of which the import says nothing stay
 * @throws CommandError for a value that no `.env` file can hold
 */
export function renderEnv(
  settings: SettingList,
  folders: Folders,
  confPath: string,
  kept: NodeJS.Dict<string>,
): string {
  const lines = settings.entries().map(([name, { value }]) => assignment(name, value))
  const places = (['CONFIG_DIR', 'CERTS_DIR'] as const).filter(
    (name) => folders[name] !== options[name].default && kept[name] === undefined,
  )
  const rest = Object.entries(kept).filter(([name]) => settings.entries().every(([other]) => other !== name))
  return [
    `# From ${JSON.stringify(resolve(confPath))}, by \`damselfly import-mosquitto\`.`,
    ...lines,
    ...places.map((name) => assignment(name, folders[name])),
    ...(rest.length === 0 ? [] : ['', '# Kept from the .env before:']),
    ...rest.map(([name, value = '']) => assignment(name, value)),
    '',
  ].join('\n')
}

/** A line that `parseEnv` reads back as it was; it knows three quotes, and no way to escape one. */
function assignment(name: string, value: string): string {
  const spellings = /^[\w.:/@%+,-]*$/.test(value)
    ? [value]
    : ["'", '`', '"'].map((quote) => quote + value + quote)
  const lines = spellings.map((spelling) => `${name}=${spelling}`)
  const line = lines.find((one) => parseEnv(`${one}\nEND=`)[name] === value)
  if (line === undefined)
    throw CommandError.failed(`${name} has a value that .env cannot hold; quote it otherwise`)
  return line
}
