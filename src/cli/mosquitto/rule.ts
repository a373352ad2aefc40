import type { IntegerOption } from '../../config/option.js'
import { options } from '../../config/options.js'

/** The settings that are whole numbers. */
export type IntegerName = {
  [Name in keyof typeof options]: (typeof options)[Name] extends IntegerOption ? Name : never
}[keyof typeof options]

/** A value of Mosquitto's as a setting's; `shortfall` says what of it could not be had. */
export interface Reading {
  readonly value: number
  readonly shortfall?: string
}

/** What becomes of an option of Mosquitto's. */
export type Rule =
  /** A setting says the same. `read` returns `undefined` for what is no value of the option. */
  | {
      readonly kind: 'setting'
      readonly setting: IntegerName
      readonly read: (value: string) => Reading | undefined
    }
  /** Damselfly has one way, which `reason` tells: the way of the values that are met, or of none. */
  | {
      readonly kind: 'fixed'
      readonly isMet: (value: string) => boolean
      readonly reason: string
      /** Whether the value must not be shown. */
      readonly isSecret?: true
    }
  /** It says something of a listener, of who may do what, or of the log, and is weighed with the others. */
  | { readonly kind: 'part' }

/** Rules by the name of their option. */
export type Rules = Readonly<Record<string, Rule>>

/** The first word, which is all that Mosquitto reads of a number, a switch or a choice. */
export function wordOf(value: string): string {
  return value.split(/\s/, 1)[0] ?? ''
}

/** A switch: `true` or `1`, `false` or `0`. */
export function isTrue(value: string | undefined): boolean {
  return value !== undefined && ['true', '1'].includes(wordOf(value))
}

/** A whole number, which may be negative; `undefined` for anything else. */
export function wholeNumber(value: string): number | undefined {
  const word = wordOf(value)
  return /^-?\d{1,15}$/.test(word) ? Number(word) : undefined
}

/** `value`, or the nearest that the setting can have. */
export function nearest(setting: IntegerName, value: number): Reading {
  const { min, max } = options[setting]
  if (value >= min && value <= max) return { value }
  const fitting = Math.min(Math.max(value, min), max)
  const shortfall = `${setting} goes from ${min} to ${max}; ${fitting} is used`
  return { value: fitting, shortfall }
}

/** The highest value of the setting, in place of no limit at all. */
export function highest(setting: IntegerName): Reading {
  const { max } = options[setting]
  return { value: max, shortfall: `there is always a limit; the highest, ${setting}=${max}, is used` }
}

/** It is weighed with others. */
export const part: Rule = { kind: 'part' }

/** Damselfly behaves as with this `word`, whatever the file says. */
export function always(word: string, reason: string): Rule {
  const spellings = word === 'true' ? ['true', '1'] : word === 'false' ? ['false', '0'] : [word]
  return { kind: 'fixed', isMet: (value) => spellings.includes(wordOf(value)), reason }
}

/** It has nothing to act upon here. */
export function needless(reason: string): Rule {
  return { kind: 'fixed', isMet: () => true, reason }
}

/** Damselfly cannot do that. */
export function never(reason: string): Rule {
  return { kind: 'fixed', isMet: () => false, reason }
}

/** Damselfly cannot do that, and the value is nobody's business. */
export function neverSecret(reason: string): Rule {
  return { kind: 'fixed', isMet: () => false, reason, isSecret: true }
}

/** How a number of Mosquitto's differs from the setting's. */
interface LimitOptions {
  /** The value that stands for no limit. */
  readonly unlimited?: number
  /** Whether the setting's highest value is no limit either. */
  readonly isHighestUnlimited?: boolean
  /** What has to be added. */
  readonly plus?: number
}

/** A number that a setting takes over. */
export function limit(setting: IntegerName, how: LimitOptions = {}): Rule {
  const read = (value: string): Reading | undefined => {
    const number = wholeNumber(value)
    if (number === undefined) return undefined
    if (number !== how.unlimited) return nearest(setting, number + (how.plus ?? 0))
    return how.isHighestUnlimited === true ? { value: options[setting].max } : highest(setting)
  }
  return { kind: 'setting', setting, read }
}

/** Seconds in each unit of `persistent_client_expiration`, with 30 days a month and 365 a year. */
const UNIT_SECONDS = new Map([
  ['s', 1],
  ['h', 3600],
  ['d', 86_400],
  ['w', 7 * 86_400],
  ['m', 30 * 86_400],
  ['y', 365 * 86_400],
])

/** A number and a unit of time, which a setting takes over in seconds. */
export function duration(setting: IntegerName): Rule {
  const read = (value: string): Reading | undefined => {
    const [, number, unit = ''] = /^(\d{1,9})([a-z])$/.exec(wordOf(value)) ?? []
    const seconds = UNIT_SECONDS.get(unit)
    return seconds === undefined ? undefined : nearest(setting, Number(number) * seconds)
  }
  return { kind: 'setting', setting, read }
}
