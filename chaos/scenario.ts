import type { Random } from '../test/support/random.js'
import type { Ground } from './support/ground.js'

/** Something that goes wrong in the field, done to a real server. */
export interface Scenario {
  readonly name: string
  /** What is done, and what must hold, in a line. */
  readonly about: string
  /** Does it once. Rejects when it could not be done. */
  run(context: Context): Promise<Result>
}

/** What a run may use. */
export interface Context {
  /** Where its servers, databases and files are; taken back when it is over, however it ends. */
  readonly ground: Ground
  /** The same numbers for the same seed. */
  readonly random: Random
  /** How often, and how long, as the command line has it. */
  readonly rounds: number | undefined
  readonly seconds: number | undefined
  /** Tells whoever waits what is going on. */
  readonly say: (text: string) => void
}

/** What came of a run. */
export interface Result {
  /** What was done, with its figures. */
  readonly done: string
  /** What was lost, doubled or out of order; none: all held. */
  readonly faults: readonly string[]
}
