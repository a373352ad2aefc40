import { isRecord } from '../support/worker.js'

/** What came of a storm. */
export interface StormResult {
  /** How many logins had which answer: a return code, the code of a socket's error, or `closed`. */
  readonly answers: ReadonlyMap<string, number>
  /** To the last answer, or until it was ended. */
  readonly tookMs: number
}

/** What a device went through. */
export interface Readings {
  /** When each was due (epoch ms), and how long its acknowledgement took from then. */
  readonly readings: readonly { readonly dueMs: number; readonly tookMs: number }[]
  readonly unacknowledged: number
  /** How late the device itself was: what of a latency may be its own. */
  readonly ownDelayP99Ms: number
}

/** Reads the answer of storm.ts. */
export function stormResultOf(value: unknown): StormResult {
  if (!isRecord(value) || !isRecord(value['answers'])) throw new Error('the storm told nothing')
  const answers = Object.entries(value['answers']).map(([code, count]) => [code, Number(count)] as const)
  return { answers: new Map(answers), tookMs: Number(value['tookMs']) }
}

/** Reads the answer of device.ts. */
export function readingsOf(value: unknown): Readings {
  if (!isRecord(value) || !Array.isArray(value['readings'])) throw new Error('the device told nothing')
  return {
    readings: value['readings'].map((reading: unknown) => {
      if (!Array.isArray(reading)) throw new Error('not a reading')
      return { dueMs: Number(reading[0]), tookMs: Number(reading[1]) }
    }),
    unacknowledged: Number(value['unacknowledged']),
    ownDelayP99Ms: Number(value['ownDelayP99Ms']),
  }
}
