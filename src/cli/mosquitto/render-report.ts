import { findRule } from './find-rule.js'
import type { PlannedFile } from './plan-files.js'
import { type ConfLine, placeOf } from './read-conf.js'
import type { Translation } from './translate.js'

type Row = readonly [left: string, right: string]

/** A line that is not taken over as it stands, and why. */
type Reasoned = readonly [line: ConfLine, why: string]

/** Wide enough for a terminal of 100 columns, with the margin. */
const WIDTH = 96

/** What is said of an import: the settings, the files, and what became of every other line. */
export function renderReport(translation: Translation, files: readonly PlannedFile[]): string {
  const { settings, ledger, differences } = translation
  const skipped: Reasoned[] = []
  const refused: Reasoned[] = []
  for (const [line, outcome] of ledger.outcomes()) {
    if (outcome.kind === 'needless') skipped.push([line, outcome.why])
    if (outcome.kind === 'refused') refused.push([line, outcome.why])
  }
  const rows = settings
    .entries()
    .map(
      ([name, { value, from }]): Row => [
        `${name}=${value}`,
        from === undefined ? '(the file does not say)' : placeOf(from),
      ],
    )
  const read = [...new Set(ledger.outcomes().map(([line]) => line.path))]
  return [
    section('Read', read),
    section('Settings', table(rows)),
    section('Files', table(files.map(({ path, origin }): Row => [path, `from ${origin}`]))),
    section('Nothing to do for', explain(skipped)),
    refused.length === 0 ? 'Not honoured: nothing\n\n' : section('NOT HONOURED', explain(refused)),
    section('Different from Mosquitto', differences.flatMap(wrap)),
  ].join('')
}

function section(title: string, lines: readonly string[]): string {
  return lines.length === 0 ? '' : `${title}:\n${lines.map((line) => `  ${line}\n`).join('')}\n`
}

function table(rows: readonly Row[]): string[] {
  const width = Math.max(...rows.map(([left]) => left.length))
  return rows.map(([left, right]) => `${left.padEnd(width)}  ${right}`.trimEnd())
}

/** The lines, and below those that follow one another with the same reason, the reason. */
function explain(lines: readonly Reasoned[]): string[] {
  const width = Math.max(...lines.map(([line]) => placeOf(line).length))
  return lines.flatMap(([line, why], index) => {
    const shown = `${placeOf(line).padEnd(width)}  ${textOf(line)}`
    const isLast = lines[index + 1]?.[1] !== why
    return isLast ? [shown, ...wrap(why).map((part) => `    ${part}`)] : [shown]
  })
}

/** A line without the passwords that it may hold, and without what would move a terminal's cursor. */
function textOf(line: ConfLine): string {
  const rule = findRule(line.name)
  const isSecret = rule?.kind === 'fixed' && rule.isSecret === true
  return (isSecret ? `${line.name} (not shown)` : line.text.trim()).replace(/\p{Cc}/gu, ' ')
}

function wrap(sentence: string): string[] {
  const [first, ...words] = sentence.split(' ')
  const lines = [first ?? '']
  for (const word of words) {
    const last = lines.at(-1) ?? ''
    if (last.length + word.length + 1 > WIDTH) lines.push(`  ${word}`)
    else lines[lines.length - 1] = `${last} ${word}`
  }
  return lines
}
