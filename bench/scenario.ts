import type { Processes } from './support/processes.js'

/** Something that is measured, on its own or with others. */
export interface Scenario {
  readonly name: string
  /** What it shows, in a line. */
  readonly about: string
  /** Measures once. The first run and every other give the same figures, in the same order. */
  run(context: Context): Promise<readonly Figure[]>
}

/** What a run may use, and what is taken back when it is over, however it ends. */
export interface Context {
  readonly processes: Processes
  /** A folder of this run's own. */
  readonly folder: string
  /** Where the server is to leave its CPU profiles; `undefined`: none is made. */
  readonly profileFolder: string | undefined
  /** Rows that a large history is to have; `undefined`: none is filled, as that takes minutes. */
  readonly rows: number | undefined
  /** Tells whoever waits what is going on. */
  readonly say: (text: string) => void
}

/** One number of one run. */
export interface Figure {
  readonly what: string
  readonly unit: 'ms' | 'µs' | 'KB' | '/s' | ''
  readonly value: number
  /** What it is compared with: the same quantity, measured in the same run. */
  readonly reference?: { readonly what: string; readonly value: number }
}
