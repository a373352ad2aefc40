import type { Figure } from '../scenario.js'
import { median } from './statistics.js'

/** A figure of every run. */
export interface Row {
  readonly scenario: string
  readonly what: string
  readonly unit: Figure['unit']
  readonly median: number
  readonly least: number
  readonly greatest: number
  /** The median of each run's figure by its reference; `undefined` where there is nothing to compare with. */
  readonly ratio: { readonly to: string; readonly median: number } | undefined
}

/** Joins the runs of a scenario, each of which gave the same figures in the same order. */
export function rowsOf(scenario: string, runs: readonly (readonly Figure[])[]): readonly Row[] {
  const [first = []] = runs
  return first.map(({ what, unit, reference }, index) => {
    const figures = runs.flatMap((run) => run[index] ?? [])
    const values = figures.map(({ value }) => value)
    const ratios = figures.map(({ value, reference: other }) => value / (other?.value ?? Number.NaN))
    return {
      scenario,
      what,
      unit,
      median: median(values),
      least: Math.min(...values),
      greatest: Math.max(...values),
      ratio: reference && { to: reference.what, median: median(ratios) },
    }
  })
}

/** The rows as a Markdown table. */
export function tableOf(rows: readonly Row[]): string {
  const cells = rows.map((row) => [
    row.scenario,
    row.what,
    withUnit(row.median, row.unit),
    `${rounded(row.least)} to ${rounded(row.greatest)}`,
    row.ratio === undefined ? '' : `${rounded(row.ratio.median)} × ${row.ratio.to}`,
  ])
  const header = ['scenario', 'what', 'median', 'spread', 'ratio']
  const widths = header.map((title, column) =>
    Math.max(...[header, ...cells].map((line) => line[column]?.length ?? title.length)),
  )
  const line = (texts: readonly string[]): string =>
    `| ${texts.map((text, column) => text.padEnd(widths[column] ?? 0)).join(' | ')} |`
  return [line(header), line(widths.map((width) => '-'.repeat(width))), ...cells.map(line), ''].join('\n')
}

function withUnit(value: number, unit: Figure['unit']): string {
  return unit === '' || unit === '/s' ? `${rounded(value)}${unit}` : `${rounded(value)} ${unit}`
}

/** Three digits, which is more than the spread leaves certain. */
function rounded(value: number): string {
  return Math.abs(value) >= 100 ? Math.round(value).toLocaleString('en') : value.toPrecision(3)
}
