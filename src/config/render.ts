import type { Option } from './option.js'
import { options } from './options.js'
import { fileVariable } from './secret-file.js'

/** A language that README and settings are written in. */
export type Language = 'en' | 'zh'

/** What stands around the settings table in a page; everything between them is replaced. */
const BEGIN = '<!-- settings: written by `npm run generate` from src/config/options.ts -->'
const END = '<!-- /settings -->'

const HEADINGS = {
  en: ['Name', 'Default', 'Meaning'],
  zh: ['名称', '默认值', '含义'],
} as const

const ENV_HEADING = [
  '# The settings and their defaults: copy this file to .env and uncomment what you change. The environment goes',
  '# before .env, and an empty value counts as absent. NAME_FILE names a file that holds NAME. Written by',
  '# `npm run generate` from src/config/options.ts.',
]

/** The table of every setting, in Markdown, in the order of `options`. */
export function renderSettingsTable(language: Language): string {
  const rows = entries().map(([name, option]) => [
    [name, ...fileVariables(name, option)].map((word) => `\`${word}\``).join(' '),
    tableDefault(option, language),
    language === 'zh' ? option.descriptionZh : option.description,
  ])
  return [HEADINGS[language], ['---', '---', '---'], ...rows]
    .map((cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`)
    .join('\n')
}

/**
 * `page` with the settings table of its language between its two markers.
 *
 * @throws Error when a marker is missing, or they stand the wrong way round.
 */
export function insertSettingsTable(page: string, language: Language): string {
  const begin = page.indexOf(BEGIN)
  const end = page.indexOf(END, begin)
  if (begin === -1 || end === -1) throw new Error(`a page of settings needs the lines ${BEGIN} and ${END}`)
  return `${page.slice(0, begin + BEGIN.length)}\n\n${renderSettingsTable(language)}\n\n${page.slice(end)}`
}

/** The content of `.env.example`: every setting in a comment, and no secret. */
export function renderEnvExample(): string {
  const blocks = entries().map(([name, option]) => [
    '',
    `# ${option.description.replaceAll('`', '')}`,
    `# ${name}=${envDefault(option)}`,
    ...fileVariables(name, option).map((variable) => `# ${variable}=`),
  ])
  return [...ENV_HEADING, ...blocks.flat(), ''].join('\n')
}

function fileVariables(name: string, { isSecret }: Option<unknown>): string[] {
  return isSecret === true ? [fileVariable(name)] : []
}

function entries(): [string, Option<unknown>][] {
  return Object.entries(options)
}

function tableDefault(option: Option<unknown>, language: Language): string {
  const text = language === 'zh' ? (option.defaultTextZh ?? option.defaultText) : option.defaultText
  if (text?.includes('`')) return text
  const value = text ?? envDefault(option)
  return value === '' ? '' : `\`${value}\``
}

/** The default as one would write it into `.env`; empty where it is absent or must not be shown. */
function envDefault({ default: value, defaultText, isSecret }: Option<unknown>): string {
  if (value === undefined || isSecret === true) return ''
  return defaultText ?? String(value)
}
