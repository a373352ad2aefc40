import type { ConfLine } from './read-conf.js'

/** What became of a line, and why it is not taken over as it stands. */
export type Outcome =
  | { readonly kind: 'honoured' }
  | { readonly kind: 'needless'; readonly why: string }
  | { readonly kind: 'refused'; readonly why: string }

/**
 * Keeps account of every line, so that none is lost in silence. The first word on a line holds, but for a
 * refusal, which outweighs the others.
 */
export interface Ledger {
  record(line: ConfLine, outcome: Outcome): void
  /** A setting or a file says the same. */
  honour(line: ConfLine | undefined): void
  /** Nothing has to be done for it. */
  skip(line: ConfLine | undefined, why: string): void
  /** It is not taken over, or not wholly. */
  refuse(line: ConfLine | undefined, why: string): void
  /** Each of the lines with what became of it. */
  outcomes(): readonly (readonly [ConfLine, Outcome])[]
}

/** An account of `lines`. One of which nothing was said is refused. */
export function openLedger(lines: readonly ConfLine[]): Ledger {
  const entries = new Map<ConfLine, Outcome>()
  const enter = (line: ConfLine | undefined, outcome: Outcome): void => {
    if (line === undefined) return
    const before = entries.get(line)?.kind
    if (before === undefined || (outcome.kind === 'refused' && before !== 'refused'))
      entries.set(line, outcome)
  }
  const forgotten: Outcome = { kind: 'refused', why: 'it has no meaning at this place' }
  return {
    record: enter,
    honour: (line) => enter(line, { kind: 'honoured' }),
    skip: (line, why) => enter(line, { kind: 'needless', why }),
    refuse: (line, why) => enter(line, { kind: 'refused', why }),
    outcomes: () => lines.map((line) => [line, entries.get(line) ?? forgotten]),
  }
}
